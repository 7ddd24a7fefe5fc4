//! The agent's own connects, let through by source port: while our socket holds a port, no other socket can send from it.
//!
//! A mark alone, a uid or a cgroup would be anybody's who can take it on. An element lives only as long as its connect is
//! under way; conntrack remembers the connection from then on.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, SockRef};

use super::{
    ruleset,
    sets::{Change, Sets},
};

/// One socket's way past our own rules.
pub(super) struct Exemption {
    sets: Arc<Sets>,
    set: &'static str,
    port: u16,
    /// Nobody else gets the port before the set has forgotten it.
    _held: OwnedFd,
}

impl Exemption {
    /// Gives the socket a port of its own and lets what it sends pass until the answer is dropped; if it never is, since
    /// the agent was killed, for `lifetime`.
    pub(super) fn begin(
        sets: Arc<Sets>,
        socket: BorrowedFd<'_>,
        lifetime: Duration,
    ) -> io::Result<Self> {
        let held = socket.try_clone_to_owned()?;
        let socket = SockRef::from(&socket);
        let (any, set): (SocketAddr, _) = match socket.domain()? {
            Domain::IPV4 => ((Ipv4Addr::UNSPECIFIED, 0).into(), ruleset::OWN[0]),
            _ => ((Ipv6Addr::UNSPECIFIED, 0).into(), ruleset::OWN[1]),
        };
        socket.bind(&any.into())?;
        let bound = socket.local_addr()?.as_socket();
        let port = bound.ok_or(io::ErrorKind::Unsupported)?.port();
        sets.change(set, &port.to_be_bytes(), &[Change::Add(lifetime)])?;
        Ok(Self {
            sets,
            set,
            port,
            _held: held,
        })
    }
}

impl Drop for Exemption {
    fn drop(&mut self) {
        let key = self.port.to_be_bytes();
        if let Err(error) = self.sets.change(self.set, &key, &[Change::Remove]) {
            // `uninstall` took it, or it expires by itself; who gets the port by then lacks our mark.
            tracing::debug!(%error, port = self.port, "an exemption was gone already");
        }
    }
}
