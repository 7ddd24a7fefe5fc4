//! Who came to a listener: by the kernel's word, which every process on this machine is subject to.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
};

use crate::{
    original_dst::Process,
    steering::sock_diag::{self, Owner},
    who::Who,
};

/// Descriptors that are looked at to find a process: some milliseconds. A client that has more open stays without a name.
const MOST: usize = 10_000;

/// The other end of a listener's connection.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Of a Unix socket: process and user (`SO_PEERCRED`).
    Unix {
        /// 0 where the agent's pid namespace has no number for it.
        pid: u32,
        /// As the agent's user namespace has it.
        uid: u32,
    },
    /// Of a TCP connection: its end and ours.
    Tcp(SocketAddr, SocketAddr),
}

impl Peer {
    /// What the kernel says of a Unix socket's other end.
    ///
    /// # Errors
    /// It says nothing.
    pub fn of_unix(client: &tokio::net::UnixStream) -> io::Result<Self> {
        let peer = client.peer_cred()?;
        Ok(Self::Unix {
            pid: peer.pid().and_then(|pid| pid.try_into().ok()).unwrap_or(0),
            uid: peer.uid(),
        })
    }

    /// Our end of a TCP connection.
    pub(super) fn own_end(self) -> Option<SocketAddr> {
        match self {
            Self::Unix { .. } => None,
            Self::Tcp(_, own) => Some(own),
        }
    }

    /// Looks up who it is. Of a client on another machine, and of one that has closed its socket already, only the address
    /// is known.
    pub(super) async fn who(self) -> Who {
        let looking = tokio::task::spawn_blocking(move || match self {
            Self::Unix { pid, uid } => Who::of(process(pid, uid)),
            Self::Tcp(peer, own) => match sock_diag::owner(peer, own).or_else(|| listed(peer, own))
            {
                Some(owner) => {
                    let pid = holder(owner).unwrap_or(0);
                    Who::of(process(pid, owner.uid))
                }
                None => Who {
                    peer: Some(peer.ip().to_canonical()),
                    ..Who::of(process(0, u32::MAX))
                },
            },
        });
        // Nobody cancels it, and a panic was told already: then it is nobody.
        looking
            .await
            .unwrap_or_else(|_| Who::of(process(0, u32::MAX)))
    }
}

fn process(pid: u32, uid: u32) -> Process {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
    Process {
        pid,
        uid,
        comm: comm.map_or_else(|_| "unknown".to_owned(), |comm| comm.trim_end().to_owned()),
        ..Process::default()
    }
}

/// What /proc says where the kernel has no sock_diag, as some containers' kernels have not.
fn listed(client: SocketAddr, peer: SocketAddr) -> Option<Owner> {
    if !client.ip().is_loopback() {
        return None;
    }
    let table = match client {
        SocketAddr::V4(_) => "/proc/thread-self/net/tcp",
        SocketAddr::V6(_) => "/proc/thread-self/net/tcp6",
    };
    let ends = format!("{} {} ", as_listed(client), as_listed(peer));
    find(&fs::read_to_string(table).ok()?, &ends)
}

/// proc_net_tcp(5): number, both ends, state, queues, timer, retransmissions, uid, timeout, inode.
fn find(table: &str, ends: &str) -> Option<Owner> {
    let line = table.lines().find(|line| line.contains(ends))?;
    let mut fields = line.split_whitespace();
    let uid = fields.nth(7)?.parse().ok()?;
    Owner::new(uid, fields.nth(1)?.parse().ok()?, 0)
}

/// Words of 32 bits as this machine has them, and the port.
fn as_listed(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| {
        let word = word.try_into().map_or(0, u32::from_ne_bytes);
        format!("{word:08X}")
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

/// A process that has the socket open; the newest first, since most clients are young.
fn holder(owner: Owner) -> Option<u32> {
    let wanted = format!("socket:[{}]", owner.inode);
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable_by(|one, other| other.cmp(one));
    let of_user = |pid: &u32| {
        fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == owner.uid)
    };
    let descriptors = pids.into_iter().filter(of_user).flat_map(|pid| {
        let folder = fs::read_dir(format!("/proc/{pid}/fd"));
        let entries = folder.into_iter().flatten().flatten();
        entries.map(move |entry| (pid, entry.path()))
    });
    let found = descriptors.take(MOST).find(|(_, path)| {
        fs::read_link(path).is_ok_and(|link| link.as_os_str() == wanted.as_str())
    });
    found.map(|(pid, _)| pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_on_this_machine_is_known_by_its_socket() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (own, peer) = (client.peer_addr().unwrap(), client.local_addr().unwrap());
        let who = Peer::Tcp(peer, own).who().await;
        let uid = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(
            (who.process.pid, who.process.uid),
            (std::process::id(), uid)
        );
        assert!(who.command.is_some() && who.peer.is_none());
        assert_ne!(who.process.comm, "unknown");

        let remote: SocketAddr = "[::ffff:198.51.100.9]:1".parse().unwrap();
        let who = Peer::Tcp(remote, own).who().await;
        assert_eq!(who.peer, Some([198, 51, 100, 9].into()));
        assert_eq!((who.process.pid, who.process.uid), (0, u32::MAX));
    }

    #[tokio::test]
    async fn a_client_that_has_closed_is_nobody() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (own, peer) = (client.peer_addr().unwrap(), client.local_addr().unwrap());
        let _accepted = server.accept().unwrap();
        drop(client);
        let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        let ends = format!("{} {} ", as_listed(peer), as_listed(own));
        assert!(table.contains(&ends), "the kernel knows it still");
        assert_eq!(listed(peer, own), None);
        let who = Peer::Tcp(peer, own).who().await;
        assert_eq!((who.process.pid, who.process.uid), (0, u32::MAX));
    }

    #[test]
    fn both_ways_to_ask_for_an_owner_say_the_same() {
        for server in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = std::net::TcpListener::bind(server) else {
                continue; // A machine without IPv6.
            };
            let own = server.local_addr().unwrap();
            let client = std::net::TcpStream::connect(own).unwrap();
            let peer = client.local_addr().unwrap();
            let owner = sock_diag::owner(peer, own);
            assert!(owner.is_some());
            assert_eq!(listed(peer, own), owner);
            assert_eq!(listed(SocketAddr::new(peer.ip(), 1), own), None);
        }
    }

    #[tokio::test]
    async fn a_unix_socket_says_who_it_is() {
        let (client, _other) = tokio::net::UnixStream::pair().unwrap();
        let peer = Peer::of_unix(&client).unwrap();
        assert!(peer.own_end().is_none());
        assert_eq!(peer.who().await.process.pid, std::process::id());
    }
}
