//! Everything one running agent shares, and its start and stop.

mod handover;
mod known;
mod listeners;
mod namespaces;
mod nftables;
mod off;
mod policy;
mod refusals;
mod reload;
mod tasks;

use std::{
    net::{IpAddr, SocketAddr},
    os::unix::process::parent_id,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    addresses::Addresses,
    admin,
    audit::Audit,
    config::{Config, Endpoint, Reach},
    drain::Drain,
    hosts::Host,
    listener,
    metrics::Metrics,
    steering::{
        KnownHosts, Scope, Source, Steering,
        cgroup::Cgroup,
        choice::Kernel,
        ebpf::{Ebpf, Events},
        netns::Netns,
    },
    vault::Vault,
    workers::Workers,
};
pub use handover::Handover;
use listeners::Listeners;
use namespaces::Namespaces;
pub use policy::{Policy, Terms};
use refusals::Refusals;

/// How long open exchanges may go on after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(20);

/// The same for an agent with a successor: a stream in its longest pause is not cut.
const DRAIN_BESIDE_SUCCESSOR: Duration = Duration::from_secs(600);

/// How long the start waits for LLM hosts' addresses, which a machine that boots can't resolve yet.
const RESOLVE_FIRST: Duration = Duration::from_secs(3);

/// How long audit records may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(3);

/// What every connection of an agent uses.
pub struct App {
    policy: RwLock<Arc<Policy>>,
    /// The kernel side.
    pub steering: Arc<dyn Steering>,
    /// Addresses known to serve LLM hosts.
    pub addresses: Addresses,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// The record of exchanges.
    pub audit: Audit,
    /// What stands behind the tokens that providers keep, where it is kept.
    pub vault: Option<Arc<Vault>>,
    /// The threads that connections are served on.
    pub workers: Workers,
    /// Tells every task to finish.
    pub drain: Drain,
    /// Which of the kernel's refusals were told of.
    refusals: Refusals,
    /// One permit a connection.
    pub slots: Arc<Semaphore>,
    /// Whether all that is to be steered is, as far as is known.
    attached: AtomicBool,
    /// More is steered than before: what is open to there went past the agent, and is to be ended.
    steers_more: AtomicBool,
    /// Held by reloads until their hosts are resolved.
    resolving: Arc<()>,
    /// The process that this one took over from.
    predecessor: OnceLock<u32>,
    /// A successor is starting, or serves already.
    hands_over: AtomicBool,
}

impl App {
    /// Builds what connections share; binds and steers nothing.
    ///
    /// # Errors
    /// The CA, the roots or the detectors are not as the config says, or the audit file or the vault can't be opened.
    pub fn new(config: &Config, steering: Arc<dyn Steering>) -> anyhow::Result<Self> {
        let policy = Policy::new(config, Arc::clone(&steering))?;
        let metrics = Metrics::default();
        let vault = config.vault.as_ref();
        let vault = vault
            .map(|vault| Vault::open(vault, &metrics))
            .transpose()?;
        Ok(Self {
            policy: RwLock::new(Arc::new(policy)),
            addresses: Addresses::default(),
            audit: Audit::start(config.audit.as_ref(), &metrics)?,
            metrics,
            vault: vault.map(Arc::new),
            workers: Workers::start().context("worker threads")?,
            drain: Drain::default(),
            refusals: Refusals::default(),
            slots: Arc::new(Semaphore::new(
                config.limits.connections.min(Semaphore::MAX_PERMITS),
            )),
            attached: AtomicBool::new(true),
            steers_more: AtomicBool::new(false),
            resolving: Arc::default(),
            predecessor: OnceLock::new(),
            hands_over: AtomicBool::new(false),
            steering,
        })
    }

    /// What the config says now. Whoever asks once is not touched by a reload that comes meanwhile.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers that an address was verified to serve this LLM host, and by which name.
    pub fn learn(&self, address: IpAddr, host: &Host, name: &str) {
        self.addresses.learn(address);
        self.steering.learn(address, Source::Serves);
        if host.pattern.contains('*') {
            self.addresses.verified(name);
        }
    }

    /// Resolves the LLM hosts' names, and remembers what they resolve to.
    async fn resolve(&self) {
        let learnt = |address| self.steering.learn(address, Source::Serves);
        let names = || {
            let policy = self.policy();
            let verified = self.addresses.names().into_iter();
            // A reload may have taken its host away.
            let verified = verified.filter(|name| policy.hosts.lookup(name).is_some());
            let listed = policy.hosts.to_resolve().map(str::to_owned);
            listed.chain(verified).collect()
        };
        self.addresses.resolve(names, learnt).await;
    }

    /// Resolves when connections are to be cut. Those of an agent with a successor may go on until it is told to hurry.
    pub async fn stopping(&self) {
        self.drain.begun().await;
        if self.hands_over() {
            self.drain.hurried().await;
        }
    }

    /// Has connections ended that went past the agent, if it `steers_more` than when they began.
    fn end_past(&self, steers_more: bool) {
        self.steers_more.fetch_or(steers_more, Ordering::Relaxed);
    }

    /// Whether a reload's hosts are being resolved: not all that it steers is known yet.
    fn resolves_more(&self) -> bool {
        Arc::strong_count(&self.resolving) > 1
    }

    /// The process that this one took over from, as long as it is there: it is this one's parent.
    fn predecessor(&self) -> Option<u32> {
        let pid = self.predecessor.get().copied();
        pid.filter(|pid| *pid == parent_id())
    }

    /// Whether all that is to be steered is, as far as is known.
    pub fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    /// Whether a successor serves, or is about to.
    pub fn hands_over(&self) -> bool {
        self.hands_over.load(Ordering::Relaxed)
    }

    fn replace(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

/// A running agent.
pub struct Agent {
    app: Arc<App>,
    /// What steers by eBPF; none under nftables.
    kernel: Option<(Arc<Ebpf>, Cgroup)>,
    /// What is in force: the last reload's, but for what that could not change.
    config: Config,
    scope: Scope,
    listeners: Vec<Endpoint>,
}

impl Agent {
    /// What its connections use.
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Where the listeners of the config are, in its order.
    pub fn listeners(&self) -> &[Endpoint] {
        &self.listeners
    }

    /// Starts to steer and serve. Everything that can fail does so before the first connection is steered. With a
    /// predecessor, this agent serves in its place from here on.
    ///
    /// # Errors
    /// What could not be loaded, bound or attached.
    pub async fn start(config: &Config, mut handover: Handover) -> anyhow::Result<Self> {
        let patience = config.limits.connect_timeout;
        let agent = match Kernel::choose(&config.steering, patience, handover.lock())? {
            Kernel::Ebpf(ebpf, events, cgroup) => {
                Self::on_ebpf(config, ebpf, events, &cgroup, handover).await?
            }
            Kernel::Nftables(nftables) => Self::on_nftables(config, nftables).await?,
            Kernel::Off => Self::on_nothing(config, handover).await?,
        };
        agent.warn_of_blind_policies();
        Ok(agent)
    }

    async fn on_ebpf(
        config: &Config,
        ebpf: Arc<Ebpf>,
        events: Events,
        cgroup: &Cgroup,
        mut handover: Handover,
    ) -> anyhow::Result<Self> {
        let steering = &config.steering;
        ebpf.check(cgroup)?;
        let app = Arc::new(App::new(config, ebpf.clone())?);
        let own = Netns::own()?;
        let admin = bind_admin(config, |address| handover.at(own.cookie(), address)).await?;
        let listeners = Listeners::bind(&config.listeners, &mut handover, own.cookie())?;
        let addresses = listeners.addresses()?;
        let alone = handover.is_none();
        if !alone {
            // Nobody set it before: the app is new.
            let _ = app.predecessor.set(parent_id());
        }
        let mut namespaces = Namespaces::begin(
            &app,
            &ebpf,
            cgroup.try_clone()?,
            steering.listen_port,
            handover,
        )?;
        let port = namespaces.port();
        let scope = scope(config, port);
        let steers_more = ebpf.configure(&scope)?;
        if scope.known_hosts.is_some() {
            // Who is not known by then is caught at its first bytes.
            let _ = timeout(RESOLVE_FIRST, app.resolve()).await;
        }
        namespaces.look();
        ebpf.beat()?;
        let begun = ebpf.attach(cgroup)?;
        // What came while the programs were not there to tell.
        namespaces.look();
        // Under a predecessor there was nothing else to begin.
        if steers_more || (begun && alone) {
            namespaces.end_earlier();
        }

        if steering.listen_port != 0 && listener::is_ephemeral(port) {
            tracing::warn!(
                port,
                next_step = "add it to net.ipv4.ip_local_reserved_ports, or choose another steering.listen_port",
                "the kernel may give the agent's port to others while no agent runs"
            );
        }
        tasks::spawn(&app, &ebpf, events.refused, steering.heartbeat);
        listeners.serve(&app, own)?;
        namespaces.take_over()?;
        tokio::spawn(namespaces.run(events.arrivals, events.misses));
        if scope.known_hosts.is_some() {
            tokio::spawn(known::overhear(Arc::clone(&app), events.answers));
        }
        if let Some(listener) = admin {
            app.drain.spawn(admin::serve(Arc::clone(&app), listener));
        }
        tracing::info!(
            backend = "ebpf",
            scope = steering.scope.as_str(),
            cgroup = %cgroup.path().display(),
            mode = ?config.mode,
            hosts = app.policy().hosts.iter().count(),
            "steering"
        );
        Ok(Self {
            app,
            kernel: Some((ebpf, cgroup.try_clone()?)),
            config: config.clone(),
            scope,
            listeners: addresses,
        })
    }

    fn warn_of_blind_policies(&self) {
        let cgroup = self.kernel.as_ref().map(|(_, cgroup)| cgroup);
        policy::warn_of_blind(&self.config, cgroup);
    }

    /// Lets open exchanges finish, up to a deadline, and resets connections that pass; beside a successor, all may finish
    /// until this agent is told to hurry.
    /// What was steered stays steered: with nobody listening, connects are refused until an agent is back or
    /// `interceptor uninstall` ran.
    pub async fn stop(self) {
        let deadline = async {
            let hurried = self.app.drain.hurried();
            if self.app.hands_over() && timeout(DRAIN_BESIDE_SUCCESSOR, hurried).await.is_err() {
                return;
            }
            sleep(DRAIN).await;
        };
        if !self.app.drain.finish(deadline).await {
            tracing::warn!(
                open = self.app.drain.len(),
                "connections were cut at the drain deadline"
            );
        }
        if let Some((ebpf, _)) = &self.kernel {
            refusals::tell_rest(&self.app, ebpf);
        }
        self.app.audit.flush(FLUSH).await;
    }
}

fn scope(config: &Config, port: u16) -> Scope {
    let steering = &config.steering;
    Scope {
        tls_ports: steering.ports.clone(),
        plain_ports: steering.plain_ports.clone(),
        never: steering.never.clone(),
        listen_port: port,
        stale_after: steering.heartbeat,
        known_hosts: known_hosts(config),
    }
}

fn known_hosts(config: &Config) -> Option<KnownHosts> {
    (config.steering.scope == Reach::KnownHosts).then(|| KnownHosts::of(&config.hosts))
}

async fn bind_admin(
    config: &Config,
    inherited: impl FnOnce(SocketAddr) -> Option<std::net::TcpListener>,
) -> anyhow::Result<Option<tokio::net::TcpListener>> {
    let Some(address) = config.admin.listen else {
        return Ok(None);
    };
    admin::bind(address, inherited(address))
        .await
        .map(Some)
        .with_context(|| format!("admin.listen {address}"))
}
