//! Bringing other processes' connections to the agent.

pub mod cgroup;
pub mod choice;
pub mod cookie;
pub mod earlier;
pub mod ebpf;
pub mod names;
mod netlink;
pub mod netns;
pub mod nftables;
pub mod off;
pub mod route;
mod scope;
pub mod sock_diag;

use std::{
    io,
    net::IpAddr,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

pub use scope::{KnownHosts, Scope, is_local};

use crate::original_dst::{Fixed, OriginalDst};
use netns::Netns;

/// The kernel side as connections use it.
pub trait Steering: OriginalDst {
    /// Lets a socket of the agent's own pass unsteered, whatever it connects to; the answer is kept until it has connected.
    ///
    /// # Errors
    /// The kernel refused the mark; the socket must not be used, it would be steered back to the agent.
    fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<Exempt>;

    /// Says what is steered, and where to. Whether that is more than before, also than under an earlier agent: then
    /// connections may be open that went past this one.
    ///
    /// # Errors
    /// The kernel did not take all of it.
    fn configure(&self, scope: &Scope) -> Result<bool, SteeringError>;

    /// There is no route to this address from there: where the kernel side can say so at the connect, it does, for a while.
    fn unreachable(&self, _: &Netns, _: IpAddr) {}

    /// Where only known addresses are steered: makes this one of them, for a day. Else nothing.
    fn learn(&self, _: IpAddr, _: Source) {}
}

/// How an address came to be known; by how much it takes to say so falsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It stood in a DNS answer, which anybody can forge.
    Overheard,
    /// A stream to it named an LLM host, as it can to any address.
    Caught,
    /// An LLM host's name resolves to it, or it was verified to serve one.
    Serves,
}

/// A socket's way past our own steering; where the kernel must be told that it has ended, dropping this does.
#[must_use = "the connect that is exempt has to be over before this is dropped"]
pub struct Exempt {
    _withdraws: Option<Box<dyn Send>>,
}

impl Exempt {
    /// For as long as the socket lives.
    pub(crate) fn for_good() -> Self {
        Self { _withdraws: None }
    }

    /// For as long as `withdraws` lives.
    pub(crate) fn until_dropped(withdraws: impl Send + 'static) -> Self {
        Self {
            _withdraws: Some(Box::new(withdraws)),
        }
    }
}

impl Steering for Fixed {
    fn exempt(&self, _: BorrowedFd<'_>) -> io::Result<Exempt> {
        Ok(Exempt::for_good())
    }

    fn configure(&self, _: &Scope) -> Result<bool, SteeringError> {
        Ok(false)
    }
}

/// Why steering could not be set up or taken down. Nothing is steered half.
#[derive(Debug, thiserror::Error)]
pub enum SteeringError {
    /// No cgroup-v2 mount in this mount namespace.
    #[error(
        "no cgroup-v2 file system is mounted: mount one (`mount -t cgroup2 none /sys/fs/cgroup`)"
    )]
    NoCgroup2,
    /// The configured cgroup isn't there.
    #[error(
        "cgroup {path}: {error}; make it, or set `steering.cgroup` to one below the cgroup-v2 mount"
    )]
    Cgroup {
        /// Where it was looked for.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The programs enforce for another cgroup.
    #[error(
        "{pin} is attached to another cgroup: run `interceptor uninstall` first, or set `steering.pin_dir`"
    )]
    OtherCgroup {
        /// The pinned link.
        pin: PathBuf,
    },
    /// An operator wants nothing to be steered.
    #[error(
        "{0} was removed: `interceptor uninstall` ran beside this agent; restart the agent to steer again"
    )]
    Uninstalled(PathBuf),
    /// Somebody else's maps.
    #[error("{0} is in use: another agent is running; stop it first, or set `steering.pin_dir`")]
    Running(PathBuf),
    /// The kernel is too old.
    #[error(
        "this kernel has no {0}: steering by eBPF needs Linux 5.10; `steering.backend = \"nftables\"` does without"
    )]
    Missing(&'static str),
    /// The programs could not be loaded.
    #[error(
        "the kernel refused the eBPF programs: {0}; `interceptor run` needs CAP_BPF, CAP_NET_ADMIN and Linux 5.10"
    )]
    Load(Box<dyn std::error::Error + Send + Sync>),
    /// No `nft` to set rules with.
    #[error("can't run `nft`: {0}; install Debian's nftables package, or its like")]
    NoNft(io::Error),
    /// The rules could not be set.
    #[error(
        "nftables: {0}; it needs CAP_NET_ADMIN and a kernel with nf_tables (inet, nat, redirect, reject, socket)"
    )]
    Nftables(String),
    /// Somebody else's table.
    #[error("another agent steers this network namespace by nftables: stop it first")]
    RunningHere,
    /// Only eBPF can steer known addresses alone.
    #[error(
        "steering.scope = \"known-hosts\" needs eBPF, which can't be used here: {0}; mend that, or set steering.scope = \"all\" \
         for nftables to steer every connect"
    )]
    KnownHosts(Box<SteeringError>),
    /// Neither backend can be used.
    #[error("neither backend can be used here. eBPF: {ebpf}. nftables: {nftables}")]
    Neither {
        /// Why not eBPF.
        ebpf: Box<SteeringError>,
        /// Why not nftables.
        nftables: Box<SteeringError>,
    },
    /// Something else failed.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the kernel said.
        error: io::Error,
    },
}

impl SteeringError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }

    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display().to_string())
    }

    fn load(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Load(error.into())
    }
}
