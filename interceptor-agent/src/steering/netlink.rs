//! Netlink sockets: one request at a time, and its answers.

use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// The kernel answers within the call; this only keeps a surprise from hanging a worker.
const PATIENCE: Duration = Duration::from_secs(1);

const HEADER: usize = 16;

/// `NLM_F_REQUEST`: of every request.
pub(super) const REQUEST: u16 = 1;
/// `NLM_F_ACK`: an answer also when there is nothing to say.
pub(super) const ACK: u16 = 4;
/// `NLMSG_ERROR`, which also says that all is well.
pub(super) const ERROR: u16 = 2;
/// `NLMSG_DONE`: the last of several answers.
pub(super) const DONE: u16 = 3;

/// A socket to one of the kernel's subsystems.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens one in the caller's network namespace.
    pub(super) fn open(subsystem: libc::c_int) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::from(libc::AF_NETLINK),
            Type::RAW,
            Some(Protocol::from(subsystem)),
        )?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends what `request` makes of a sequence number, and waits until that was done.
    pub(super) fn ask(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> io::Result<()> {
        self.send(request)?;
        self.receive(|kind, message| (kind == ERROR).then(|| acknowledged(message)))?
    }

    pub(super) fn send(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        (&self.socket).write_all(&request(self.sequence))
    }

    /// Shows `pick` each answer to the last request, by its type, until it takes one.
    pub(super) fn receive<T>(
        &mut self,
        mut pick: impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> io::Result<T> {
        let mut buffer = [0; 8192];
        loop {
            let length = (&self.socket).read(&mut buffer)?;
            let mut rest = &buffer[..length];
            while let Some((kind, sequence, message, next)) = split(rest) {
                if sequence == self.sequence
                    && let Some(picked) = pick(kind, message)
                {
                    return Ok(picked);
                }
                rest = next;
            }
        }
    }
}

/// One message with its header.
pub(super) fn message(sequence: u32, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// What an [`ERROR`] message says: it opens with a negative errno, or 0 for "done".
pub(super) fn acknowledged(message: &[u8]) -> io::Result<()> {
    match message.get(..4).map(native) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error((code as i32).wrapping_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Four bytes as a number of this machine.
pub(super) fn native(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

/// A message's type, sequence number and body, and what comes behind it.
fn split(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let length = native(bytes.get(..4)?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let sequence = native(bytes.get(8..12)?);
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, sequence, bytes.get(HEADER..length)?, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_halves_of_answers() {
        let refused = message(9, ERROR, 0, &(-1_i32).to_ne_bytes());
        let two = [&refused[..], &refused[..]].concat();
        let (kind, sequence, body, next) = split(&two).unwrap();
        assert_eq!((kind, sequence, next), (ERROR, 9, &refused[..]));
        assert_eq!(
            acknowledged(body).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
        assert!(split(&refused[..HEADER + 2]).is_none() && split(&[]).is_none());
        assert!(split(&[200, 0, 0, 0, 1, 0, 0, 0]).is_none());
        assert!(acknowledged(&[0]).is_err());
    }
}
