//! Which backend steers: the configured one, or the best that this machine has.

use std::{fs::File, sync::Arc, time::Duration};

use super::{
    SteeringError,
    cgroup::Cgroup,
    ebpf::{Ebpf, Events},
    nftables::Nftables,
};
use crate::config::{self, Backend, Reach};

/// A backend that is ready to be set up. Nothing is steered yet.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Kernel {
    /// eBPF programs for a cgroup.
    Ebpf(Arc<Ebpf>, Events, Cgroup),
    /// Rules for the network namespace.
    Nftables(Arc<Nftables>),
    /// None.
    Off,
}

impl Kernel {
    /// Chooses by `steering.backend`; `auto` takes nftables only where the kernel refuses eBPF, and logs why. The scope
    /// `known-hosts` is never widened by that: it is an error.
    /// `patience` bounds the agent's own connects; `lock` is a predecessor's hold on the pins, if there is one.
    ///
    /// # Errors
    /// The backend can't be used, or another agent uses it.
    pub fn choose(
        config: &config::Steering,
        patience: Duration,
        mut lock: Option<File>,
    ) -> Result<Self, SteeringError> {
        let nftables = || Nftables::open(patience).map(|it| Self::Nftables(Arc::new(it)));
        match config.backend {
            Backend::Ebpf => Self::ebpf(config, lock),
            Backend::Nftables => nftables(),
            Backend::Off => Ok(Self::Off),
            Backend::Auto => match Ebpf::probe().and_then(|()| Self::ebpf(config, lock.take())) {
                Err(
                    why @ (SteeringError::NoCgroup2
                    | SteeringError::Load(_)
                    | SteeringError::Io { .. }),
                ) => {
                    if config.scope == Reach::KnownHosts {
                        return Err(SteeringError::KnownHosts(Box::new(why)));
                    }
                    tracing::warn!(%why, "eBPF can't be used here: steering by nftables");
                    nftables().map_err(|nftables| SteeringError::Neither {
                        ebpf: Box::new(why),
                        nftables: Box::new(nftables),
                    })
                }
                chosen => chosen,
            },
        }
    }

    fn ebpf(config: &config::Steering, lock: Option<File>) -> Result<Self, SteeringError> {
        let cgroup = Cgroup::open(&config.cgroup)?;
        let (ebpf, events) = Ebpf::load(&config.pin_dir, lock, config.scope)?;
        Ok(Self::Ebpf(Arc::new(ebpf), events, cgroup))
    }
}

/// What `steering.backend` comes to on this machine for this user, for people to read. Changes nothing.
pub fn describe(config: &config::Steering) -> String {
    match config.backend {
        Backend::Ebpf => "ebpf".to_owned(),
        Backend::Nftables => "nftables (the whole network namespace)".to_owned(),
        Backend::Off => "off: NOTHING IS STEERED, only listeners serve".to_owned(),
        Backend::Auto => match Ebpf::probe() {
            Ok(()) => "auto: ebpf".to_owned(),
            Err(why) if config.scope == Reach::KnownHosts => {
                format!("auto: none with the capabilities at hand, known-hosts needs eBPF: {why}")
            }
            Err(why) => format!(
                "auto: nftables with the capabilities at hand (the whole network namespace): {why}"
            ),
        },
    }
}
