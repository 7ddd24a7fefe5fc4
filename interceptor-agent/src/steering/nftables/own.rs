//! The agent's own connects, let through by source port: while our socket holds a port, no other socket can send from it.
//!
//! A mark alone, a uid or a cgroup would be anybody's who can take it on. An element lives only as long as its connect is
//! under way; conntrack remembers the connection from then on.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{Domain, SockRef};

use super::{
    netlink::{Attributes, Netlink, batch},
    ruleset,
};

const NFPROTO_INET: u8 = 1;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_DATA_VALUE: u16 = 1;

/// The sets of ports, changed without a process of `nft` each time.
pub(super) struct Own {
    netlink: Mutex<Netlink>,
    lifetime: Duration,
}

impl Own {
    /// An element that nobody took back, since the agent was killed, is gone after `lifetime`.
    pub(super) fn open(lifetime: Duration) -> io::Result<Self> {
        Ok(Self {
            netlink: Mutex::new(Netlink::open(libc::NETLINK_NETFILTER)?),
            lifetime,
        })
    }

    /// Gives the socket a port of its own and lets what it sends pass until the answer is dropped.
    pub(super) fn exempt(this: &Arc<Self>, socket: BorrowedFd<'_>) -> io::Result<Exemption> {
        let held = socket.try_clone_to_owned()?;
        let socket = SockRef::from(&socket);
        let (any, set): (SocketAddr, _) = match socket.domain()? {
            Domain::IPV4 => ((Ipv4Addr::UNSPECIFIED, 0).into(), ruleset::OWN[0]),
            _ => ((Ipv6Addr::UNSPECIFIED, 0).into(), ruleset::OWN[1]),
        };
        socket.bind(&any.into())?;
        let port = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::Unsupported)?
            .port();
        this.change(libc::NFT_MSG_NEWSETELEM, set, port)?;
        Ok(Exemption {
            own: Arc::clone(this),
            set,
            port,
            _held: held,
        })
    }

    fn change(&self, command: libc::c_int, set: &str, port: u16) -> io::Result<()> {
        let lifetime = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        let attributes = Attributes::default()
            .text(NFTA_SET_ELEM_LIST_TABLE, ruleset::TABLE)
            .text(NFTA_SET_ELEM_LIST_SET, set)
            .nested(NFTA_SET_ELEM_LIST_ELEMENTS, |elements| {
                elements.nested(NFTA_LIST_ELEM, |element| {
                    let element = element.nested(NFTA_SET_ELEM_KEY, |key| {
                        key.bytes(NFTA_DATA_VALUE, &port.to_be_bytes())
                    });
                    match command {
                        libc::NFT_MSG_NEWSETELEM => {
                            element.bytes(NFTA_SET_ELEM_TIMEOUT, &lifetime.to_be_bytes())
                        }
                        _ => element,
                    }
                })
            });
        let mut netlink = self.netlink.lock().unwrap_or_else(PoisonError::into_inner);
        netlink.ask(|sequence| batch(sequence, command, NFPROTO_INET, &attributes))
    }
}

/// One socket's way past our own rules.
pub(super) struct Exemption {
    own: Arc<Own>,
    set: &'static str,
    port: u16,
    /// Nobody else gets the port before the set has forgotten it.
    _held: OwnedFd,
}

impl Drop for Exemption {
    fn drop(&mut self) {
        let gone = self
            .own
            .change(libc::NFT_MSG_DELSETELEM, self.set, self.port);
        if let Err(error) = gone {
            // `uninstall` took it, or it expires by itself; who gets the port by then lacks our mark.
            tracing::debug!(%error, port = self.port, "an exemption was gone already");
        }
    }
}
