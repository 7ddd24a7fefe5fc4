//! As much netlink as two questions need: change a set's element, and whose socket is this.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// The kernel answers within the call; this only keeps a surprise from hanging a worker.
const PATIENCE: Duration = Duration::from_secs(1);

const HEADER: usize = 16;
const SUBSYSTEM_NFTABLES: u16 = 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLA_F_NESTED: u16 = 0x8000;

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
        self.receive(|kind, message| (kind == NLMSG_ERROR).then(|| acknowledged(message)))?
    }

    fn send(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        (&self.socket).write_all(&request(self.sequence))
    }

    /// The first answer to the last request that `pick` takes.
    fn receive<T>(&mut self, pick: impl Fn(u16, &[u8]) -> Option<T>) -> io::Result<T> {
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

/// nftables commands that take effect all at once, or not at all; the last one is acknowledged.
pub(super) fn transaction(
    sequence: u32,
    family: u8,
    commands: &[(libc::c_int, Attributes)],
) -> Vec<u8> {
    let generic = |family: u8, subsystem: u16| {
        let [high, low] = subsystem.to_be_bytes();
        [family, 0, high, low]
    };
    let frame = |kind: libc::c_int| {
        let body = generic(0, SUBSYSTEM_NFTABLES);
        message(sequence, kind as u16, NLM_F_REQUEST, &body)
    };
    let mut messages = frame(libc::NFNL_MSG_BATCH_BEGIN);
    for (index, (command, attributes)) in commands.iter().enumerate() {
        let last = index + 1 == commands.len();
        let flags = NLM_F_REQUEST | NLM_F_CREATE | if last { NLM_F_ACK } else { 0 };
        let kind = (SUBSYSTEM_NFTABLES << 8) | *command as u16;
        let body = [&generic(family, 0)[..], &attributes.0].concat();
        messages.extend(message(sequence, kind, flags, &body));
    }
    messages.extend(frame(libc::NFNL_MSG_BATCH_END));
    messages
}

/// The user whose TCP socket has these addresses, as its own process sees them; `None` where there is none any more.
pub(super) fn owner(client: SocketAddr, peer: SocketAddr) -> Option<u32> {
    /// `struct inet_diag_msg`: the uid's place.
    const UID: usize = 64;
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG).ok()?;
    netlink
        .send(|sequence| {
            message(
                sequence,
                SOCK_DIAG_BY_FAMILY,
                NLM_F_REQUEST,
                &inet_diag_request(client, peer),
            )
        })
        .ok()?;
    netlink
        .receive(|kind, answer| match kind {
            SOCK_DIAG_BY_FAMILY => Some(answer.get(UID..UID + 4).map(native)),
            _ => Some(None),
        })
        .ok()?
}

/// `struct inet_diag_req_v2` for exactly one socket.
fn inet_diag_request(client: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    const ANY_STATE: u32 = u32::MAX;
    const NO_COOKIE: [u8; 8] = [0xff; 8];
    let family = match client {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let mut request = vec![family as u8, libc::IPPROTO_TCP as u8, 0, 0];
    request.extend(ANY_STATE.to_ne_bytes());
    request.extend(client.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    request.extend(address(client.ip()));
    request.extend(address(peer.ip()));
    request.extend([0; 4]);
    request.extend(NO_COOKIE);
    request
}

fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A netlink message's attributes: length and type, value, up to the next multiple of four.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Adds bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a string, which ends with a zero.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds attributes in an attribute.
    pub(super) fn nested(self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let inner = inner(Self::default());
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }
}

fn message(sequence: u32, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// A message's type, sequence number and body, and what comes behind it.
fn split(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let length = native(bytes.get(..4)?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let sequence = native(bytes.get(8..12)?);
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, sequence, bytes.get(HEADER..length)?, next))
}

/// An error message opens with a negative errno, or 0 for "done".
fn acknowledged(message: &[u8]) -> io::Result<()> {
    match message.get(..4).map(native) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error((code as i32).wrapping_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn native(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let attributes = Attributes::default()
            .text(1, "ab")
            .nested(3, |inner| inner.bytes(2, &[7]));
        let [low, high] = (3 | NLA_F_NESTED).to_ne_bytes();
        let expected = [
            7, 0, 1, 0, b'a', b'b', 0, 0, 12, 0, low, high, 5, 0, 2, 0, 7, 0, 0, 0,
        ];
        if cfg!(target_endian = "little") {
            assert_eq!(attributes.0, expected);
        }
    }

    #[test]
    fn answers_are_told_from_halves_of_answers() {
        let refused = message(9, NLMSG_ERROR, 0, &(-1_i32).to_ne_bytes());
        let two = [&refused[..], &refused[..]].concat();
        let (kind, sequence, body, next) = split(&two).unwrap();
        assert_eq!((kind, sequence, next), (NLMSG_ERROR, 9, &refused[..]));
        assert_eq!(
            acknowledged(body).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
        assert!(split(&refused[..HEADER + 2]).is_none() && split(&[]).is_none());
        assert!(acknowledged(&[0]).is_err());
    }

    #[test]
    fn a_socket_s_owner_is_found_and_nobody_s_is_not() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (own, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
        assert_eq!(owner(own, peer), Some(uid));
        let nobody = SocketAddr::from(([198, 51, 100, 1], 1));
        assert_eq!(owner(own, nobody), None);
    }
}
