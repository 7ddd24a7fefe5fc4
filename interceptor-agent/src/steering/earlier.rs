//! Connections that were open before anything was steered: they go past the agent, so they are ended. Programs see them as
//! reset by their own machine, and connect again.
//!
//! sock_diag(7), `linux/inet_diag.h`; ending needs CONFIG_INET_DIAG_DESTROY (Linux 4.5) and CAP_NET_ADMIN.

use std::{
    collections::HashSet,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// A netlink header; then a diag message up to its id, the id, and what comes behind it.
const HEADER: usize = 16;
const ID_AT: usize = 4;
const ID: usize = 48;
const MESSAGE: usize = ID_AT + ID + 20;

/// Every state in which bytes may still leave: all but LISTEN, CLOSE, TIME_WAIT and NEW_SYN_RECV.
const STATES: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// What became of the connections that were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Ended.
    pub ended: usize,
    /// Open still: the kernel can't end them, or does not say whose they are.
    pub left: usize,
}

/// Ends the TCP connections of these cgroups, in the network namespace that the thread is in, that would be `steered` now.
///
/// # Errors
/// The kernel has no sock_diag.
pub fn end(steered: impl Fn(SocketAddr) -> bool, cgroups: &HashSet<u64>) -> io::Result<Ended> {
    let mut all = Ended::default();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = family as u8;
        for socket in open(family)? {
            match socket.cgroup {
                _ if !steered(socket.to) => {}
                Some(cgroup) if !cgroups.contains(&cgroup) => {}
                Some(_) if destroy(family, &socket.id).is_ok() => all.ended += 1,
                _ => all.left += 1,
            }
        }
    }
    Ok(all)
}

/// Ends one TCP connection in the network namespace that the thread is in.
///
/// # Errors
/// There is none with these addresses, this `SO_COOKIE` and this device, or the kernel can't end any.
pub fn end_one(from: SocketAddr, to: SocketAddr, cookie: u64, device: u32) -> io::Result<()> {
    let (family, octets): (_, fn(IpAddr) -> [u8; 16]) = match to {
        SocketAddr::V4(_) => (libc::AF_INET, octets4),
        SocketAddr::V6(_) => (libc::AF_INET6, octets6),
    };
    let mut id = [0; ID];
    id[..2].copy_from_slice(&from.port().to_be_bytes());
    id[2..4].copy_from_slice(&to.port().to_be_bytes());
    id[4..20].copy_from_slice(&octets(from.ip()));
    id[20..36].copy_from_slice(&octets(to.ip()));
    id[36..40].copy_from_slice(&device.to_ne_bytes());
    // Two words, the lower one first.
    id[40..44].copy_from_slice(&(cookie as u32).to_ne_bytes());
    id[44..].copy_from_slice(&((cookie >> 32) as u32).to_ne_bytes());
    destroy(family as u8, &id)
}

fn octets4(ip: IpAddr) -> [u8; 16] {
    let mut octets = [0; 16];
    if let IpAddr::V4(v4) = ip.to_canonical() {
        octets[..4].copy_from_slice(&v4.octets());
    }
    octets
}

fn octets6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A TCP socket as the kernel names it.
struct Open {
    id: [u8; ID],
    to: SocketAddr,
    /// None before Linux 5.8.
    cgroup: Option<u64>,
}

fn open(family: u8) -> io::Result<Vec<Open>> {
    let mut diag = diag()?;
    diag.write_all(&request(
        SOCK_DIAG_BY_FAMILY,
        REQUEST | DUMP,
        family,
        &[0; ID],
    ))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = diag.read(&mut buffer)?;
        for (kind, message) in messages(&buffer[..length]) {
            match kind {
                DONE => return Ok(found),
                ERROR => return Err(error(message)),
                _ => found.extend(parse(family, message)),
            }
        }
    }
}

fn destroy(family: u8, id: &[u8; ID]) -> io::Result<()> {
    let mut diag = diag()?;
    diag.write_all(&request(SOCK_DESTROY, REQUEST | ACK, family, id))?;
    let mut buffer = [0; 1024];
    let length = diag.read(&mut buffer)?;
    match messages(&buffer[..length]).next() {
        Some((ERROR, message)) if error(message).raw_os_error() == Some(0) => Ok(()),
        Some((ERROR, message)) => Err(error(message)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn diag() -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(NETLINK_SOCK_DIAG)),
    )?;
    // The kernel answers at once; a lost answer must not hold up the start.
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    Ok(socket)
}

/// A netlink header and a `struct inet_diag_req_v2`.
fn request(kind: u16, flags: u16, family: u8, id: &[u8; ID]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + 8 + ID);
    message.extend_from_slice(&((HEADER + 8 + ID) as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]); // sequence and port: one request a socket
    message.extend_from_slice(&[family, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend_from_slice(&STATES.to_ne_bytes());
    message.extend_from_slice(id);
    message
}

/// Type and content of each netlink message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
        let kind = u16::from_ne_bytes(array(bytes, 4)?);
        let message = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, message))
    })
}

fn error(message: &[u8]) -> io::Error {
    let code = array(message, 0).map_or(libc::EIO, i32::from_ne_bytes);
    io::Error::from_raw_os_error(code.saturating_neg())
}

/// A `struct inet_diag_msg` and its attributes.
fn parse(family: u8, message: &[u8]) -> Option<Open> {
    let id: [u8; ID] = array(message, ID_AT)?;
    let port = u16::from_be_bytes(array(&id, 2)?);
    let ip: IpAddr = if i32::from(family) == libc::AF_INET {
        Ipv4Addr::from(array::<4>(&id, 20)?).into()
    } else {
        Ipv6Addr::from(array::<16>(&id, 20)?).into()
    };
    let mut attributes = message.get(MESSAGE..)?;
    let mut cgroup = None;
    while let (Some(length), Some(kind)) = (array(attributes, 0), array(attributes, 2)) {
        let length = usize::from(u16::from_ne_bytes(length));
        if u16::from_ne_bytes(kind) == INET_DIAG_CGROUP_ID {
            cgroup = array(attributes, 4).map(u64::from_ne_bytes);
        }
        attributes = attributes.get(aligned(length.max(4))..).unwrap_or_default();
    }
    Some(Open {
        id,
        to: (ip, port).into(),
        cgroup,
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Netlink pads to four bytes.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_connections_are_found_where_they_go() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let client = std::net::TcpStream::connect(to).unwrap();
        let found = open(libc::AF_INET as u8).unwrap();
        assert!(found.iter().any(|socket| socket.to == to));
        let from = client.local_addr().unwrap();
        assert!(
            end_one(from, to, 0, 0).is_err(),
            "a cookie names one socket"
        );
        let dead = [0; ID];
        assert!(destroy(libc::AF_INET as u8, &dead).is_err());
    }

    #[test]
    fn broken_messages_end_the_reading() {
        assert_eq!(messages(&[]).count(), 0);
        assert_eq!(messages(&[200, 0, 0, 0, 1, 0, 0, 0]).count(), 0);
        assert!(parse(2, &[0; MESSAGE - 1]).is_none());
    }
}
