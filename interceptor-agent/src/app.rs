//! Everything one running agent shares, and its start and stop.

mod namespaces;
mod tasks;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::{
    addresses::Addresses,
    admin,
    config::{Config, Limits, PathPolicy},
    drain::Drain,
    hosts::Hosts,
    listener,
    mask::{detector::Detectors, request::Masker},
    metrics::Metrics,
    steering::{
        Steering,
        cgroup::Cgroup,
        ebpf::{Ebpf, Scope},
    },
    tls::{ca::Ca, leaf::Leaves, upstream},
    upstream::{Patience, Upstream},
    workers::Workers,
};
use namespaces::Namespaces;

/// How long open exchanges may go on after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(20);

/// What every connection of an agent uses.
pub struct App {
    /// The LLM hosts.
    pub hosts: Hosts,
    /// Bounds on what one client can make the agent hold.
    pub limits: Limits,
    /// Paths of LLM hosts that no adapter knows.
    pub unknown_path: PathPolicy,
    /// Paths of coding agents' side traffic.
    pub side_path: PathPolicy,
    /// The kernel side.
    pub steering: Arc<dyn Steering>,
    /// Addresses known to serve LLM hosts.
    pub addresses: Addresses,
    /// The TLS server towards clients.
    pub tls: TlsAcceptor,
    /// The client towards providers.
    pub upstream: Upstream,
    /// The masker.
    pub masker: Masker,
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
        let ca = Ca::load(&config.tls.ca_dir)?;
        let roots = upstream::Roots::load(&config.tls.extra_roots)?.without(ca.root());
        let limits = config.limits.clone();
        let client = |alpn: &[&[u8]]| upstream::client_config(&roots, alpn);
        Ok(Self {
            hosts: config.hosts.clone(),
            unknown_path: config.mask.unknown_path,
            side_path: config.mask.side_path,
            addresses: Addresses::default(),
            tls: TlsAcceptor::from(Leaves::new(ca)?.server_config()?),
            upstream: Upstream::new(
                Arc::clone(&steering),
                client(&[b"http/1.1"]),
                client(&[b"h2", b"http/1.1"]),
                Patience {
                    connect: limits.connect_timeout,
                    answer: limits.response_timeout,
                    idle: limits.idle_timeout,
                },
            ),
            masker: Masker::new(Detectors::with_actions(&config.mask.classes)?, config.mode),
            metrics: Metrics::default(),
            workers: Workers::start().context("worker threads")?,
            drain: Drain::default(),
            slots: Arc::new(Semaphore::new(
                limits.connections.min(Semaphore::MAX_PERMITS),
            )),
            steering,
            limits,
        })
    }
}

/// A running agent.
pub struct Agent {
    app: Arc<App>,
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
            hosts = app.hosts.iter().count(),
            "steering"
        );
        Ok(Self { app })
    }

    /// Lets open exchanges finish, up to a deadline. What was steered stays steered: with nobody listening, connects
    /// are refused until an agent is back or `interceptor uninstall` ran.
    pub async fn stop(self) {
        if !self.app.drain.finish(DRAIN).await {
            tracing::warn!(
                open = self.app.drain.len(),
                "connections were cut at the drain deadline"
            );
        }
    }
}
