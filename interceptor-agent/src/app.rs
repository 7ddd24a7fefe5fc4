//! Everything one running agent shares, and its start and stop.

mod namespaces;
mod policy;
mod reload;
mod tasks;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::{
    addresses::Addresses,
    admin,
    config::Config,
    drain::Drain,
    listener,
    metrics::Metrics,
    steering::{
        Steering,
        cgroup::Cgroup,
        ebpf::{Ebpf, Scope},
    },
    workers::Workers,
};
use namespaces::Namespaces;
pub use policy::Policy;

/// How long open exchanges may go on after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(20);

/// What every connection of an agent uses.
pub struct App {
    policy: RwLock<Arc<Policy>>,
    /// The kernel side.
    pub steering: Arc<dyn Steering>,
    /// Addresses known to serve LLM hosts.
    pub addresses: Addresses,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// The threads that connections are served on.
    pub workers: Workers,
    /// Tells every task to finish.
    pub drain: Drain,
    /// One permit a connection.
    pub slots: Arc<Semaphore>,
}

impl App {
    /// Builds what connections share; binds and steers nothing.
    ///
    /// # Errors
    /// The CA, the roots or the detectors are not as the config says.
    pub fn new(config: &Config, steering: Arc<dyn Steering>) -> anyhow::Result<Self> {
        let policy = Policy::new(config, Arc::clone(&steering))?;
        Ok(Self {
            policy: RwLock::new(Arc::new(policy)),
            addresses: Addresses::default(),
            metrics: Metrics::default(),
            workers: Workers::start().context("worker threads")?,
            drain: Drain::default(),
            slots: Arc::new(Semaphore::new(
                config.limits.connections.min(Semaphore::MAX_PERMITS),
            )),
            steering,
        })
    }

    /// What the config says now. Whoever asks once is not touched by a reload that comes meanwhile.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

/// A running agent.
pub struct Agent {
    app: Arc<App>,
    ebpf: Arc<Ebpf>,
    /// What is in force: the last reload's, but for what that could not change.
    config: Config,
    scope: Scope,
}

impl Agent {
    /// Starts to steer `cgroup` and serve. Everything that can fail does so before the first connection is steered.
    ///
    /// # Errors
    /// What could not be loaded, bound or attached.
    pub async fn start(config: &Config, cgroup: &Cgroup) -> anyhow::Result<Self> {
        let steering = &config.steering;
        let (ebpf, events) = Ebpf::load(&steering.pin_dir)?;
        let ebpf = Arc::new(ebpf);
        let app = Arc::new(App::new(config, ebpf.clone())?);
        let admin = match config.admin.listen {
            Some(address) => Some(
                admin::bind(address)
                    .await
                    .with_context(|| format!("admin.listen {address}"))?,
            ),
            None => None,
        };
        let mut namespaces =
            Namespaces::begin(&app, &ebpf, cgroup.try_clone()?, steering.listen_port)?;
        let port = namespaces.port();
        let scope = Scope {
            tls_ports: steering.ports.clone(),
            plain_ports: steering.plain_ports.clone(),
            never: steering.never.clone(),
            listen_port: port,
            stale_after: steering.heartbeat,
        };
        ebpf.configure(&scope)?;
        namespaces.look();
        ebpf.beat()?;
        let begun = ebpf.attach(cgroup)?;
        // What came while the programs were not there to tell.
        namespaces.look();
        if begun {
            namespaces.end_earlier(&scope);
        }

        if steering.listen_port != 0 && listener::is_ephemeral(port) {
            tracing::warn!(
                port,
                next_step = "add it to net.ipv4.ip_local_reserved_ports, or choose another steering.listen_port",
                "the kernel may give the agent's port to others while no agent runs"
            );
        }
        tasks::spawn(&app, &ebpf, events.refused, steering.heartbeat);
        tokio::spawn(namespaces.run(events.arrivals));
        if let Some(listener) = admin {
            app.drain.spawn(admin::serve(Arc::clone(&app), listener));
        }
        tracing::info!(
            cgroup = %cgroup.path().display(),
            mode = ?config.mode,
            hosts = app.policy().hosts.iter().count(),
            "steering"
        );
        Ok(Self {
            app,
            ebpf,
            config: config.clone(),
            scope,
        })
    }

    /// Lets open exchanges finish, up to a deadline; connections that pass are reset at once. What was steered stays
    /// steered: with nobody listening, connects are refused until an agent is back or `interceptor uninstall` ran.
    pub async fn stop(self) {
        if !self.app.drain.finish(DRAIN).await {
            tracing::warn!(
                open = self.app.drain.len(),
                "connections were cut at the drain deadline"
            );
        }
    }
}
