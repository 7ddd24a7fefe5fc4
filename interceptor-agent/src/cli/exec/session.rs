//! A command's surroundings and the agent in them: steered by eBPF, or, where that can't be, given a proxy.

use std::{ffi::OsString, io, process};

use anyhow::anyhow;

use super::{
    proxied::{self, Proxied},
    steered::Steered,
};
use crate::{
    app::{Agent, Handover},
    config::{Backend, Config},
    steering::SteeringError,
    sys,
    tls::ca,
};

/// How a command's connections come to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// By eBPF where that can be, else by a proxy, and says so
    Auto,
    /// Every connection of every process of the command; needs root
    Ebpf,
    /// What follows HTTPS_PROXY; needs nothing
    Proxy,
}

/// Its fields are dropped in this order.
pub(super) struct Session {
    agent: Agent,
    kind: Kind,
}

enum Kind {
    Steered(Steered),
    Proxied(Proxied),
}

impl Session {
    /// Steers by eBPF; with `own_ca` there is a CA that is gone with the session.
    pub(super) async fn steered(config: Config, own_ca: bool) -> anyhow::Result<Self> {
        let surroundings = Steered::begin(config, own_ca)?;
        let agent = Agent::start(surroundings.config(), Handover::default()).await?;
        Ok(Self {
            agent,
            kind: Kind::Steered(surroundings),
        })
    }

    /// Gives the command a proxy; with `own_ca` there is a CA that is gone with the session.
    pub(super) async fn proxied(config: Config, own_ca: bool) -> anyhow::Result<Self> {
        let surroundings = Proxied::begin(config, own_ca)?;
        let agent = Agent::start(surroundings.config(), Handover::default()).await?;
        Ok(Self {
            agent,
            kind: Kind::Proxied(surroundings),
        })
    }

    /// The command in its surroundings; `descriptors` is its soft limit of open ones.
    pub(super) fn command(
        &self,
        command: &[OsString],
        descriptors: libc::rlim_t,
    ) -> anyhow::Result<process::Command> {
        let mut child = process::Command::new(&command[0]);
        child.args(&command[1..]);
        let (config, cgroup) = match &self.kind {
            Kind::Steered(steered) => (steered.config(), Some(steered.cgroup().procs()?)),
            Kind::Proxied(proxied) => {
                let listener = self.agent.listeners().first();
                let listener = listener.ok_or_else(|| anyhow!("the agent has no listener"))?;
                child.envs(proxied::variables(listener));
                (proxied.config(), None)
            }
        };
        child.envs(ca::trust_variables(&config.tls.ca_dir));
        sys::before_exec(&mut child, cgroup, descriptors);
        Ok(child)
    }

    /// Lets open exchanges finish, and removes the surroundings.
    pub(super) async fn end(self) {
        let Self { agent, kind } = self;
        agent.stop().await;
        drop(kind);
    }
}

/// Whether it is this machine, container or user that can't steer, rather than something that would stop a proxy too.
pub(super) fn is_of_this_place(why: &anyhow::Error) -> bool {
    why.is::<SteeringError>() || why.is::<io::Error>() || why.is::<OnlyEbpf>()
}

/// The config asks for something that steers no single command.
#[derive(Debug, thiserror::Error)]
#[error(
    "steering.backend is \"{0}\", and one command is steered by eBPF alone. Use `interceptor run`, leave steering.backend \
     out, or give the command a proxy: `--via proxy`"
)]
pub(super) struct OnlyEbpf(&'static str);

impl OnlyEbpf {
    /// Whether this backend can be replaced by eBPF.
    pub(super) fn check(backend: Backend) -> Result<(), Self> {
        match backend {
            Backend::Auto | Backend::Ebpf => Ok(()),
            Backend::Nftables => Err(Self("nftables")),
            Backend::Off => Err(Self("off")),
        }
    }
}

/// Says what a proxy does not do.
pub(super) fn tell(why: &anyhow::Error) {
    let remedy = match sys::user() {
        0 => "give this container those capabilities, on a kernel that lets it use them",
        _ => "sudo interceptor exec -- COMMAND",
    };
    eprintln!(
        "interceptor: this command can't be steered ({why:#}): it gets a proxy, and ONLY WHAT FOLLOWS HTTPS_PROXY IS \
         MASKED\ninterceptor: for every program: {remedy}"
    );
}
