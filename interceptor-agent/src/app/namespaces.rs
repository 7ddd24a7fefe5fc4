//! Listening in every network namespace that has something to steer: found by the processes of the cgroup, and told by
//! the kernel when the first socket is made in a new one. A namespace that nobody is in any more is let go.

mod attached;
mod before;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    io, mem,
    os::fd::AsFd as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use interceptor_common::{Arrival, Miss};
use tokio::{net::TcpListener, sync::mpsc, time};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{App, handover::Handover, known, tasks};
use crate::{
    listener,
    steering::{
        Steering as _,
        cgroup::Cgroup,
        ebpf::{Ebpf, Ring},
        netns::{self, Netns},
    },
};

/// How often it is looked which namespaces are still in use, and whether the kernel's word of a new one was lost.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When it is looked where the kernel's word came too late: a container's first socket is often that of a process which
/// prepares it, and ends.
const LOOK_SOON: Duration = Duration::from_millis(100);

/// For how long a namespace must be found empty, at however many looks: one that is used again and again stays.
const PATIENCE: Duration = Duration::from_secs(15);

/// More are refused: each takes three descriptors, and a user can make thousands.
const MOST: usize = 4096;

/// The namespaces that the agent listens in.
pub(super) struct Namespaces {
    app: Arc<App>,
    ebpf: Arc<Ebpf>,
    cgroup: Cgroup,
    port: u16,
    /// The inode of the agent's own, which is never let go.
    own: u64,
    /// By inode.
    open: HashMap<u64, Open>,
    /// What a predecessor listened with.
    handover: Handover,
    /// Why nothing, or not all, is steered; said once.
    unattached: Option<String>,
    /// By cookie: where connects are refused, until a later look finds it mended.
    refused: HashSet<u64>,
    /// By inode: where nothing is open any more from before. None where nobody has to look.
    swept: Option<HashSet<u64>>,
}

struct Open {
    netns: Arc<Netns>,
    /// Since when each look found nobody in it.
    empty: Option<Instant>,
    /// Ends the accepting.
    _accepting: DropGuard,
}

/// Why the agent does not listen in a namespace.
#[derive(Debug, thiserror::Error)]
enum NetnsError {
    #[error("it can't be entered: {0}")]
    Enter(io::Error),
    #[error("127.0.0.1:{0} in there is taken by somebody else, or loopback is missing: {1}")]
    Listen(u16, io::Error),
    #[error("the agent listens in {MOST} of them already")]
    TooMany,
    #[error("the kernel: {0}")]
    Kernel(String),
}

impl Namespaces {
    /// Listens in the agent's own namespace; with port 0 on a free port, which is then the port everywhere.
    pub(super) fn begin(
        app: &Arc<App>,
        ebpf: &Arc<Ebpf>,
        cgroup: Cgroup,
        port: u16,
        handover: Handover,
    ) -> anyhow::Result<Self> {
        let own = Netns::own()?;
        anyhow::ensure!(
            !handover.is_elsewhere(own.cookie(), port),
            "steering.listen_port {port} is not the running agent's: restart instead"
        );
        let mut namespaces = Self {
            app: Arc::clone(app),
            ebpf: Arc::clone(ebpf),
            cgroup,
            port,
            own: own.inode(),
            open: HashMap::new(),
            handover,
            unattached: None,
            refused: HashSet::new(),
            swept: None,
        };
        let (cookie, alone) = (own.cookie(), namespaces.handover.is_none());
        namespaces.listen(own).map_err(|error| {
            anyhow::anyhow!(
                "{error}; is another agent running? steering.listen_port chooses the port"
            )
        })?;
        if alone {
            ebpf.forget_others(|known| known == cookie);
        }
        Ok(namespaces)
    }

    /// Tells a predecessor that this agent listens in its place; what that one listened with and this one doesn't need is
    /// closed.
    pub(super) fn take_over(&mut self) -> io::Result<()> {
        if !self.handover.is_none() {
            self.ebpf.take_over()?;
        }
        mem::take(&mut self.handover).done()
    }

    /// The port that the agent listens on, in every namespace.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Listens wherever the cgroup has processes now. True where connects may have begun to wait meanwhile of which nobody
    /// tells any more: another look finds them.
    pub(super) fn look(&mut self) -> bool {
        let found = netns::of_processes(&self.cgroup);
        let mounted = netns::mounted();
        self.refused.clear();
        for (inode, path) in &found {
            if !self.open.contains_key(inode) {
                self.arrive(path, None);
            }
        }
        let policy = self.app.policy();
        let (own, ebpf, upstream) = (self.own, &self.ebpf, &policy.upstream);
        self.open.retain(|inode, open| {
            let used = *inode == own || found.contains_key(inode) || mounted.contains_key(inode);
            open.empty = (!used).then(|| open.empty.unwrap_or_else(Instant::now));
            let kept = open.empty.is_none_or(|since| since.elapsed() < PATIENCE);
            if !kept {
                // First of all: from here on a connect waits, and tells of itself.
                ebpf.forget(open.netns.cookie());
                upstream.forget(&open.netns);
                tracing::info!(netns = inode, "a network namespace was let go");
            }
            kept
        });
        if let Some(swept) = &mut self.swept {
            swept.retain(|inode| found.contains_key(inode) || mounted.contains_key(inode));
        }
        let mut known: HashSet<u64> = self.open.values().map(|open| open.netns.cookie()).collect();
        known.extend(&self.refused);
        self.app.metrics.namespaces(self.open.len());
        self.ebpf.forget_others(|cookie| known.contains(&cookie)) > 0
    }

    /// Follows the kernel's word, and looks now and then by itself, until the drain.
    pub(super) async fn run(mut self, arrivals: Ring<Arrival>, misses: Ring<Miss>) {
        let mut told = follow(arrivals);
        let mut missed = follow(misses);
        let (mut clock, mut soon) = (time::interval(LOOK_EVERY), false);
        let mut links = time::interval(attached::LOOK_EVERY);
        loop {
            tokio::select! {
                () = self.app.drain.begun() => return,
                // A successor does it now. If it fails, the next look finds what came meanwhile.
                Some(arrival) = told.recv() => if !self.app.hands_over() {
                    let Arrival { netns, tgid, tid } = arrival;
                    let path = format!("/proc/{tgid}/task/{tid}/ns/net");
                    if !self.arrive(Path::new(&path), Some(netns)) && !soon {
                        clock.reset_after(LOOK_SOON);
                        soon = true;
                    }
                },
                Some(miss) = missed.recv() => {
                    known::learn(&self.app, &miss);
                    known::end(&miss, self.open.values().map(|open| &*open.netns));
                }
                _ = clock.tick() => {
                    soon = !self.app.hands_over() && self.look();
                    if soon {
                        clock.reset_after(LOOK_SOON);
                    }
                },
                _ = links.tick() => if !self.app.hands_over() {
                    self.keep_attached();
                },
            }
        }
    }

    /// Listens in the namespace at `path`; where the kernel has named one, in no other. False where whoever was there is
    /// gone: others may be in it, whose connects wait.
    fn arrive(&mut self, path: &Path, named: Option<u64>) -> bool {
        let is_named = |open: &Open| named == Some(open.netns.cookie());
        if self.open.values().any(is_named) {
            // A look was there before the kernel's word.
            return true;
        }
        let netns = match Netns::open(path) {
            // The thread went elsewhere, or its number is another's by now: whoever comes next tells again.
            Ok(Some(netns)) if named.is_none_or(|cookie| cookie == netns.cookie()) => netns,
            Ok(_) => return self.is_not_there(named),
            Err(error) => {
                self.refuse(named, path, &NetnsError::Enter(error));
                return true;
            }
        };
        self.sweep(&netns);
        let cookie = netns.cookie();
        match self.listen(netns) {
            Ok(()) => self.app.metrics.namespaces(self.open.len()),
            Err(error) => self.refuse(Some(cookie), path, &error),
        }
        true
    }

    fn is_not_there(&self, named: Option<u64>) -> bool {
        if let Some(cookie) = named {
            self.ebpf.forget(cookie);
        }
        false
    }

    fn refuse(&mut self, cookie: Option<u64>, path: &Path, error: &NetnsError) {
        if let Some(cookie) = cookie {
            self.refused.insert(cookie);
            if let Err(error) = self.ebpf.refuse(cookie) {
                tracing::error!(%error, "the kernel can't be told of a network namespace");
            }
        }
        tracing::warn!(
            path = %path.display(),
            %error,
            next_step = "connects from there are refused until the agent can listen there",
            "a network namespace is not served"
        );
    }

    fn listen(&mut self, netns: Netns) -> Result<(), NetnsError> {
        let kernel = |error: &dyn ToString| NetnsError::Kernel(error.to_string());
        if self.open.len() >= MOST {
            return Err(NetnsError::TooMany);
        }
        let Entry::Vacant(place) = self.open.entry(netns.inode()) else {
            return self.ebpf.ready(&netns).map_err(|error| kernel(&error));
        };
        let exempt = |socket: &socket2::Socket| self.ebpf.exempt(socket.as_fd()).map(drop);
        let listeners = match self.handover.at_port(netns.cookie(), self.port) {
            none if none.is_empty() => netns
                .run(|| listener::bind(self.port, exempt))
                .map_err(|error| NetnsError::Listen(self.port, error))?,
            inherited => inherited,
        };
        let (netns, accepting) = (Arc::new(netns), CancellationToken::new());
        for listener in listeners {
            let local = listener.local_addr().map_err(|error| kernel(&error))?;
            self.port = local.port();
            let listener = TcpListener::from_std(listener).map_err(|error| kernel(&error))?;
            let accept = tasks::accept(Arc::clone(&self.app), Arc::clone(&netns), listener);
            let accept = accepting.clone().run_until_cancelled_owned(accept);
            self.app
                .drain
                .spawn(async move { accept.await.unwrap_or_default() });
        }
        // Only now: a connect that is steered finds somebody who listens.
        self.ebpf.ready(&netns).map_err(|error| kernel(&error))?;
        tracing::info!(netns = netns.inode(), "listening in a network namespace");
        place.insert(Open {
            netns,
            empty: None,
            _accepting: accepting.drop_guard(),
        });
        Ok(())
    }
}

/// A ring's items, for whoever waits for other things as well.
fn follow<T: aya::Pod + Send>(ring: Ring<T>) -> mpsc::UnboundedReceiver<T> {
    let (tell, told) = mpsc::unbounded_channel();
    let ended = ring.each(move |item| {
        // Nobody listens any more once the drain has begun.
        let _ = tell.send(item);
    });
    tokio::spawn(async move {
        if let Err(error) = ended.await {
            tracing::error!(%error, "the kernel's word of network namespaces and streams can't be read");
        }
    });
    told
}
