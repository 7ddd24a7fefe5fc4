//! What the kernel tells of TCP sockets: whose one is, which are open, and their end.
//!
//! sock_diag(7), `linux/inet_diag.h`; ending needs CONFIG_INET_DIAG_DESTROY (Linux 4.5) and CAP_NET_ADMIN.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::netlink::{ACK, DONE, ERROR, Netlink, REQUEST, acknowledged, message};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const DUMP: u16 = 0x300;
const INET_DIAG_MARK: u16 = 15;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// `struct inet_diag_sockid`, and where it is in `struct inet_diag_msg`, behind the state; then the uid, the inode, and
/// attributes.
const ID: usize = 48;
const STATE_AT: usize = 1;
const ID_AT: usize = 4;
const UID_AT: usize = 64;
const INODE_AT: usize = 68;
const MESSAGE: usize = 72;

const ANY_STATE: u32 = u32::MAX;
const LISTEN: u8 = 10;

/// Every state in which bytes may still leave: all but LISTEN, CLOSE, TIME_WAIT and NEW_SYN_RECV.
const SENDING: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// Whose a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user, as the caller's user namespace numbers them.
    pub uid: u32,
    /// The socket's inode: what `/proc/PID/fd` shows.
    pub inode: u32,
    /// `SO_MARK`, which is told to CAP_NET_ADMIN alone; 0 where it has none.
    pub mark: u32,
}

/// An open TCP connection as the kernel names it.
pub(super) struct Open {
    id: [u8; ID],
    /// Its other end.
    pub(super) to: SocketAddr,
    /// 0 where its process has closed it.
    pub(super) inode: u32,
    /// None before Linux 5.8.
    pub(super) cgroup: Option<u64>,
}

impl Owner {
    /// None of a socket that was closed, and has no inode any more: the kernel calls it user 0's, whosever it was.
    pub fn new(uid: u32, inode: u32, mark: u32) -> Option<Self> {
        (inode != 0).then_some(Self { uid, inode, mark })
    }
}

/// The owner of the TCP socket with these addresses, as its own process sees them, in the caller's network namespace;
/// `None` where there is none (any more), or the kernel does not say.
pub fn owner(client: SocketAddr, peer: SocketAddr) -> Option<Owner> {
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG).ok()?;
    let request = request(family(client), ANY_STATE, &id(client, peer));
    netlink
        .send(|sequence| message(sequence, SOCK_DIAG_BY_FAMILY, REQUEST, &request))
        .ok()?;
    let number = |answer: &[u8], at: usize| array(answer, at).map(u32::from_ne_bytes);
    netlink
        .receive(|kind, answer| match kind {
            // Where no connection is found, the kernel takes whoever listens there.
            SOCK_DIAG_BY_FAMILY if answer.get(STATE_AT) != Some(&LISTEN) => {
                let mark = attribute(answer, INET_DIAG_MARK).map_or(0, u32::from_ne_bytes);
                Some(
                    number(answer, UID_AT)
                        .zip(number(answer, INODE_AT))
                        .zip(Some(mark)),
                )
            }
            _ => Some(None),
        })
        .ok()?
        .and_then(|((uid, inode), mark)| Owner::new(uid, inode, mark))
}

/// The connections of a family that may still send.
pub(super) fn open(family: u8) -> io::Result<Vec<Open>> {
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG)?;
    let request = request(family, SENDING, &[0; ID]);
    netlink.send(|sequence| message(sequence, SOCK_DIAG_BY_FAMILY, REQUEST | DUMP, &request))?;
    let mut found = Vec::new();
    netlink.receive(|kind, answer| match kind {
        DONE => Some(Ok(())),
        ERROR => Some(acknowledged(answer)),
        _ => {
            found.extend(parse(family, answer));
            None
        }
    })??;
    Ok(found)
}

impl Open {
    /// Ends it, by a reset.
    pub(super) fn destroy(&self) -> io::Result<()> {
        destroy(family(self.to), &self.id)
    }
}

/// Ends one TCP connection in the network namespace that the thread is in.
///
/// # Errors
/// There is none with these addresses, this `SO_COOKIE` and this device, or the kernel can't end any.
pub fn end(from: SocketAddr, to: SocketAddr, cookie: u64, device: u32) -> io::Result<()> {
    let mut id = id(from, to);
    id[36..40].copy_from_slice(&device.to_ne_bytes());
    // Two words, the lower one first.
    id[40..44].copy_from_slice(&(cookie as u32).to_ne_bytes());
    id[44..].copy_from_slice(&((cookie >> 32) as u32).to_ne_bytes());
    destroy(family(to), &id)
}

fn destroy(family: u8, id: &[u8; ID]) -> io::Result<()> {
    let request = request(family, SENDING, id);
    Netlink::open(libc::NETLINK_SOCK_DIAG)?
        .ask(|sequence| message(sequence, SOCK_DESTROY, REQUEST | ACK, &request))
}

fn family(address: SocketAddr) -> u8 {
    match address {
        SocketAddr::V4(_) => libc::AF_INET as u8,
        SocketAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

/// `struct inet_diag_req_v2`.
fn request(family: u8, states: u32, id: &[u8; ID]) -> Vec<u8> {
    let mut request = vec![family, libc::IPPROTO_TCP as u8, 0, 0];
    request.extend(states.to_ne_bytes());
    request.extend(id);
    request
}

/// `struct inet_diag_sockid` of the socket with these addresses, whatever its cookie.
fn id(client: SocketAddr, peer: SocketAddr) -> [u8; ID] {
    let mut id = [0; ID];
    id[..2].copy_from_slice(&client.port().to_be_bytes());
    id[2..4].copy_from_slice(&peer.port().to_be_bytes());
    id[4..20].copy_from_slice(&address(client.ip()));
    id[20..36].copy_from_slice(&address(peer.ip()));
    id[40..].fill(0xff);
    id
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

/// A `struct inet_diag_msg` and its attributes.
fn parse(family: u8, message: &[u8]) -> Option<Open> {
    let id: [u8; ID] = array(message, ID_AT)?;
    let port = u16::from_be_bytes(array(&id, 2)?);
    let ip: IpAddr = if i32::from(family) == libc::AF_INET {
        Ipv4Addr::from(array::<4>(&id, 20)?).into()
    } else {
        Ipv6Addr::from(array::<16>(&id, 20)?).into()
    };
    Some(Open {
        id,
        to: (ip, port).into(),
        inode: array(message, INODE_AT).map(u32::from_ne_bytes)?,
        cgroup: attribute(message, INET_DIAG_CGROUP_ID).map(u64::from_ne_bytes),
    })
}

/// The value of the last attribute of this kind.
fn attribute<const N: usize>(message: &[u8], wanted: u16) -> Option<[u8; N]> {
    let mut attributes = message.get(MESSAGE..)?;
    let mut found = None;
    while let (Some(length), Some(kind)) = (array(attributes, 0), array(attributes, 2)) {
        let length = usize::from(u16::from_ne_bytes(length));
        if u16::from_ne_bytes(kind) == wanted {
            found = array(attributes, 4);
        }
        let next = length.max(4).next_multiple_of(4);
        attributes = attributes.get(next..).unwrap_or_default();
    }
    found
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::fs::MetadataExt as _};

    use super::*;

    #[test]
    fn own_connections_are_found_where_they_go() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let client = std::net::TcpStream::connect(to).unwrap();
        let found = open(libc::AF_INET as u8).unwrap();
        assert!(found.iter().any(|socket| socket.to == to));
        let from = client.local_addr().unwrap();
        assert!(end(from, to, 0, 0).is_err(), "a cookie names one socket");
        let dead = Open {
            id: [0; ID],
            to,
            inode: 0,
            cgroup: None,
        };
        assert!(dead.destroy().is_err());
    }

    #[test]
    fn a_socket_s_owner_is_found_and_nobody_s_is_not() {
        for server in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = TcpListener::bind(server) else {
                continue; // A machine without IPv6.
            };
            let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
            let (own, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let owner_of = |peer| owner(own, peer);
            let found = owner_of(peer).unwrap();
            assert_eq!(found.uid, std::fs::metadata("/proc/self").unwrap().uid());
            let link = std::fs::metadata(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&client)
            ));
            assert_eq!(u64::from(found.inode), link.unwrap().ino());
            assert_eq!(owner_of(SocketAddr::new(peer.ip(), 1)), None);
            let listens = owner(peer, SocketAddr::new(peer.ip(), 1));
            assert_eq!(listens, None, "who listens there is nobody's other end");
        }
    }

    #[test]
    fn broken_messages_end_the_reading() {
        assert!(parse(2, &[0; MESSAGE - 1]).is_none());
        assert!(parse(2, &[0; MESSAGE]).is_some());
    }
}
