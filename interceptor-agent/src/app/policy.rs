//! What the config decides for each connection and exchange. A reload replaces it whole: nothing sees half of two.

use std::{collections::BTreeMap, sync::Arc};

use tokio_rustls::TlsAcceptor;

use crate::{
    config::{Config, Endpoint, Limits, Listener, PathPolicy},
    hosts::Hosts,
    mask::{detector::Detectors, request::Masker},
    proxy::Rules,
    steering::Steering,
    tls::{ca::Ca, leaf::Leaves, upstream},
    upstream::{Patience, Upstream},
};

/// One reading of the config, ready to use.
pub struct Policy {
    /// The LLM hosts.
    pub hosts: Hosts,
    /// Bounds on what one client can make the agent hold.
    pub limits: Limits,
    /// Paths of LLM hosts that no adapter knows.
    pub unknown_path: PathPolicy,
    /// Paths of coding agents' side traffic.
    pub side_path: PathPolicy,
    /// The TLS server towards clients.
    pub tls: TlsAcceptor,
    /// The client towards providers.
    pub upstream: Upstream,
    /// The masker.
    pub masker: Masker,
    /// Ports where TLS is expected.
    pub ports: Vec<u16>,
    /// What each listener asks of its clients, and lets them do.
    pub listeners: BTreeMap<Endpoint, Rules>,
}

impl Policy {
    /// Reads what the config names, and takes effect nowhere.
    ///
    /// # Errors
    /// The CA, the roots, the detectors or a listener's token are not as the config says.
    pub(super) fn new(config: &Config, steering: Arc<dyn Steering>) -> anyhow::Result<Self> {
        let ca = Ca::load(&config.tls.ca_dir)?;
        let roots = upstream::Roots::load(&config.tls.extra_roots)?.without(ca.root());
        let limits = config.limits.clone();
        let rules = |listener: &Listener| Ok((listener.at.clone(), Rules::load(listener)?));
        let listeners: anyhow::Result<_> = config.listeners.iter().map(rules).collect();
        let client = |alpn: &[&[u8]]| upstream::client_config(&roots, alpn);
        Ok(Self {
            hosts: config.hosts.clone(),
            unknown_path: config.mask.unknown_path,
            side_path: config.mask.side_path,
            tls: TlsAcceptor::from(Leaves::new(ca)?.server_config()?),
            upstream: Upstream::new(
                steering,
                client(&[b"http/1.1"]),
                client(&[b"h2", b"http/1.1"]),
                Patience {
                    connect: limits.connect_timeout,
                    answer: limits.response_timeout,
                    idle: limits.idle_timeout,
                },
            ),
            masker: Masker::new(Detectors::with_actions(&config.mask.classes)?, config.mode),
            limits,
            ports: config.steering.ports.clone(),
            listeners: listeners?,
        })
    }

    /// The hosts' names that can be resolved.
    pub(super) fn names(&self) -> Vec<String> {
        self.hosts
            .iter()
            .map(|host| host.pattern.clone())
            .filter(|name| !name.contains('*'))
            .collect()
    }
}
