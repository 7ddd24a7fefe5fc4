//! Connections that go past a living agent, though new ones like them would be steered: asked of the kernel, in every network
//! namespace that can be found.

use std::{collections::HashMap, fs, io, path::PathBuf};

use super::{Agent, AgentState};
use crate::{
    config::Config,
    steering::{
        Scope,
        cgroup::Cgroup,
        earlier,
        ebpf::survey::Survey,
        netns::{self, Netns},
    },
};

/// How many there are; `None` where that can't be told: not everywhere may be looked, or the scope is `known-hosts`, where
/// such a stream may have been looked at.
pub(super) fn past(config: &Config, survey: &Survey, agent: &Agent) -> Option<usize> {
    let settings = survey.maps.as_ref()?.settings;
    let pid = agent.pid.filter(|_| agent.state == AgentState::Alive)?;
    if settings.known_hosts != 0 {
        return None;
    }
    let cgroup = Cgroup::open(&config.steering.cgroup).ok()?;
    let scope = Scope {
        tls_ports: in_use(&settings.tls_ports),
        plain_ports: in_use(&settings.plain_ports),
        never: config.steering.never.clone(),
        listen_port: settings.listen_port,
        stale_after: config.steering.heartbeat,
        known_hosts: None,
    };
    let agents = with_ancestors(pid);
    let mut found: HashMap<u64, PathBuf> = netns::mounted();
    found.extend(netns::of_processes(&cgroup));
    let count = |path: &PathBuf| {
        let Some(netns) = Netns::open(path)? else {
            return Ok(0);
        };
        netns.run(|| earlier::count(|to| scope.steers(to), &cgroup, &agents))
    };
    found.values().map(count).sum::<io::Result<usize>>().ok()
}

fn in_use(ports: &[u16]) -> Vec<u16> {
    ports.iter().copied().filter(|port| *port > 0).collect()
}

/// An agent that was replaced while it ran serves its last exchanges still; the one that took over is its child.
fn with_ancestors(pid: u32) -> Vec<u32> {
    let parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        line.trim().parse().ok().filter(|parent| *parent > 1)
    };
    std::iter::successors(Some(pid), parent).collect()
}
