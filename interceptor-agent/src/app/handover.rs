//! An agent's successor: a new process, maybe of a new binary, that goes on with the same sockets, pins and lock, so that
//! no connect is refused and none escapes meanwhile.
//!
//! It is started by the agent itself and inherits what it needs: nobody else can ask for it.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use socket2::{Domain, SockRef};
use tokio::io::AsyncReadExt as _;

use super::Agent;
use crate::{
    config::Backend,
    steering::{Steering as _, cookie},
    sys,
};

/// How long a successor may take to serve.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an agent has from its predecessor; nothing by default.
#[derive(Debug, Default)]
pub struct Handover {
    lock: Option<File>,
    ready: Option<UnixStream>,
    listeners: Vec<Inherited>,
    unix: Vec<UnixListener>,
}

#[derive(Debug)]
struct Inherited {
    netns: u64,
    address: SocketAddr,
    listener: TcpListener,
}

impl Handover {
    /// Takes over the descriptors that [`Agent::hand_over`] named. To be called before anything else is opened.
    ///
    /// # Errors
    /// One of them is not open: nobody handed over.
    pub fn inherit(descriptors: &[RawFd]) -> anyhow::Result<Self> {
        let mut inherited = sys::inherited(descriptors)
            .context("descriptors of a predecessor")?
            .into_iter();
        let (Some(lock), Some(ready)) = (inherited.next(), inherited.next()) else {
            bail!("a predecessor hands over its lock and a socket, and then its listeners");
        };
        let is_unix = |descriptor: &mut OwnedFd| {
            SockRef::from(&*descriptor).domain().ok() == Some(Domain::UNIX)
        };
        let mut sockets: Vec<_> = inherited.collect();
        let unix = sockets.extract_if(.., is_unix).map(UnixListener::from);
        let unix = unix.collect();
        let listener = |descriptor: OwnedFd| {
            let listener = TcpListener::from(descriptor);
            Ok(Inherited {
                netns: cookie::of(&listener)?,
                address: listener.local_addr()?,
                listener,
            })
        };
        Ok(Self {
            lock: Some(lock.into()),
            ready: Some(ready.into()),
            unix,
            listeners: sockets
                .into_iter()
                .map(listener)
                .collect::<io::Result<_>>()
                .context("listeners of a predecessor")?,
        })
    }

    /// Whether there is no predecessor.
    pub(super) fn is_none(&self) -> bool {
        self.ready.is_none()
    }

    /// The predecessor's hold on the pins.
    pub(super) fn lock(&mut self) -> Option<File> {
        self.lock.take()
    }

    /// Whether there is a predecessor that listens on another port than `port` in this namespace.
    pub(super) fn is_elsewhere(&self, netns: u64, port: u16) -> bool {
        let here = |inherited: &&Inherited| inherited.netns == netns;
        let mut ports = self.listeners.iter().filter(here);
        !self.is_none() && !ports.any(|inherited| inherited.address.port() == port)
    }

    /// The listeners at `port` in a network namespace.
    pub(super) fn at_port(&mut self, netns: u64, port: u16) -> Vec<TcpListener> {
        self.take(|inherited| inherited.netns == netns && inherited.address.port() == port)
    }

    /// The listener at an address of the agent's own namespace.
    pub(super) fn at(&mut self, netns: u64, address: SocketAddr) -> Option<TcpListener> {
        self.take(|inherited| inherited.netns == netns && inherited.address == address)
            .pop()
    }

    /// The listener at a Unix socket's path.
    pub(super) fn at_path(&mut self, path: &Path) -> Option<UnixListener> {
        let is_it = |listener: &mut UnixListener| {
            let address = listener.local_addr();
            address.is_ok_and(|address| address.as_pathname() == Some(path))
        };
        self.unix.extract_if(.., is_it).next()
    }

    /// Tells the predecessor that this agent serves.
    ///
    /// # Errors
    /// The predecessor is gone.
    pub(super) fn done(self) -> io::Result<()> {
        self.ready.map_or(Ok(()), |mut ready| ready.write_all(&[1]))
    }

    fn take(&mut self, wanted: impl Fn(&Inherited) -> bool) -> Vec<TcpListener> {
        let taken = self.listeners.extract_if(.., |inherited| wanted(inherited));
        taken.map(|inherited| inherited.listener).collect()
    }
}

impl Agent {
    /// Runs `command`, with the descriptors to inherit as its last argument, until it serves in this agent's place: its
    /// process id. What is left to do then is [`Agent::stop`].
    ///
    /// # Errors
    /// The successor did not come to serve, and is gone. This agent goes on as before.
    pub async fn hand_over(&mut self, command: Command) -> anyhow::Result<u32> {
        ensure!(
            std::process::id() != 1,
            "the first process of a container can't be replaced: its end is the container's"
        );
        self.app.hands_over.store(true, Ordering::Relaxed);
        let done = self.try_hand_over(command).await;
        if done.is_err() {
            self.app.hands_over.store(false, Ordering::Relaxed);
            // It may have got as far as to put its own programs and settings in place.
            if let Some((ebpf, cgroup)) = &self.kernel {
                let steers_more = ebpf.configure(&self.scope)?;
                self.app.end_past(steers_more);
                ebpf.attach(&cgroup.again()?)?;
            }
        }
        done
    }

    async fn try_hand_over(&self, mut command: Command) -> anyhow::Result<u32> {
        // Who pins nothing has no lock to hand on, and something has to be in its place.
        let lock = match &self.kernel {
            Some((ebpf, _)) => ebpf.lock()?,
            None if self.config.steering.backend == Backend::Off => File::open("/dev/null")?,
            None => {
                bail!(
                    "an agent that steers by nftables can't be replaced while it runs: restart it"
                )
            }
        };
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let listeners = sys::own_listeners()?;
        let listeners_fds = listeners.iter().map(OwnedFd::as_raw_fd);
        let descriptors: Vec<RawFd> = [lock.as_raw_fd(), theirs.as_raw_fd()]
            .into_iter()
            .chain(listeners_fds)
            .collect();
        let list: Vec<_> = descriptors.iter().map(ToString::to_string).collect();
        command.arg(list.join(","));
        sys::keep_open_in(&mut command, descriptors);
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .context("the new agent can't be started")?;
        // It alone has the other end now: if it ends, so does the reading.
        drop((theirs, listeners));
        let mut ours = tokio::net::UnixStream::from_std(ours)?;
        match tokio::time::timeout(PATIENCE, ours.read_u8()).await {
            Ok(Ok(_)) => {
                if let Some((ebpf, _)) = &self.kernel {
                    ebpf.let_go();
                }
                child.id().context("the new agent has ended")
            }
            Ok(Err(_)) => bail!(
                "the new agent ended before it served: {}",
                child.wait().await?
            ),
            Err(_) => {
                child.kill().await?;
                bail!(
                    "the new agent did not serve within {} s",
                    PATIENCE.as_secs()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found_by_where_they_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let netns = cookie::of(&listener).unwrap();
        let mut handover = Handover::default();
        assert!(
            !handover.is_elsewhere(netns, address.port()),
            "nobody was before"
        );
        handover.ready = Some(UnixStream::pair().unwrap().0);
        handover.listeners.push(Inherited {
            netns,
            address,
            listener,
        });
        assert!(!handover.is_elsewhere(netns, address.port()));
        assert!(handover.is_elsewhere(netns, address.port() ^ 1));
        assert!(handover.is_elsewhere(netns + 1, address.port()));
        assert!(handover.at_port(netns + 1, address.port()).is_empty());
        assert!(
            handover
                .at(netns, ([127, 0, 0, 2], address.port()).into())
                .is_none()
        );
        assert_eq!(handover.at_port(netns, address.port()).len(), 1);
        assert!(handover.at_port(netns, address.port()).is_empty(), "once");
        assert!(handover.done().is_err(), "the other end is gone");
        Handover::default().done().unwrap();
    }

    #[test]
    fn only_open_descriptors_are_inherited() {
        for numbers in [&[][..], &[4000, 4001], &[0, 1], &[-1, 5]] {
            assert!(Handover::inherit(numbers).is_err(), "{numbers:?}");
        }
    }
}
