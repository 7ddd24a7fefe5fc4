//! Where a steered connection was going before it was steered, and who made it.

use std::{net::SocketAddr, os::fd::BorrowedFd};

use crate::steering::netns::Netns;

/// Where the process wanted to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrigDstAddr(pub SocketAddr);

/// Where the process's socket is, as the agent's listener sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub SocketAddr);

/// Our end of an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddr(pub SocketAddr);

/// Who called `connect`, as the kernel saw it at that moment; by nftables only the user is known, and the pid is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Process id in the initial pid namespace; 0 is not known.
    pub pid: u32,
    /// User id in the initial user namespace; `u32::MAX` is not known.
    pub uid: u32,
    /// Name of the calling thread.
    pub comm: String,
    /// Id of the cgroup it was in; 0 is not known.
    pub cgroup: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds; 0 is not known.
    pub time: u64,
}

impl Process {
    /// Its number, where that is known.
    pub fn known_pid(&self) -> Option<u32> {
        (self.pid != 0).then_some(self.pid)
    }

    /// Its user, where that is known.
    pub fn known_uid(&self) -> Option<u32> {
        (self.uid != u32::MAX).then_some(self.uid)
    }
}

/// A steered connection before anything of it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Where it was going.
    pub original: OrigDstAddr,
    /// Who made it.
    pub process: Process,
}

/// The original destination is not known: somebody connected to the agent's port directly, or the hand-off was lost.
/// The connection is reset; guessing could send it to the wrong host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no original destination is known for this connection: it was not steered here")]
pub struct Lost;

/// Answers where an accepted connection was going. The kernel implements it; tests fix it.
pub trait OriginalDst: Send + Sync {
    /// Takes the answer for a socket accepted in `netns`: a second call for the same connection is [`Lost`] where the kernel
    /// keeps the answer apart from the connection.
    fn take(
        &self,
        netns: &Netns,
        socket: BorrowedFd<'_>,
        client: ClientAddr,
        local: LocalAddr,
    ) -> Result<Steered, Lost>;
}

/// Every connection was going to one place.
#[derive(Clone, Debug)]
pub struct Fixed(pub Steered);

impl OriginalDst for Fixed {
    fn take(
        &self,
        _: &Netns,
        _: BorrowedFd<'_>,
        _: ClientAddr,
        _: LocalAddr,
    ) -> Result<Steered, Lost> {
        Ok(self.0.clone())
    }
}
