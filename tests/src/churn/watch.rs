//! What the agent takes of the machine while all this goes on.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{Agent, World, pins};

/// More resident memory at the end than at the beginning is growth, in KiB.
pub(super) const MEMORY_BOUND: u64 = 16 << 10;

/// Open descriptors once nobody calls any more: listeners, maps, epoll instances, and some pooled connections.
pub(super) const DESCRIPTORS_BOUND: usize = 100;

/// How long the agent may take to let go of namespaces that are gone.
const LET_GO: Duration = Duration::from_secs(40);

/// Samples of an agent, in KiB.
#[derive(Default)]
pub(super) struct Watch {
    memory: Vec<u64>,
    /// Of the time in which it is one process.
    calm: Vec<u64>,
}

/// What came of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Median KiB resident in the first and in the last third of the time, whatever the process.
    pub thirds: [u64; 2],
    /// Median KiB resident in the second and in the last quarter of one process' life; 0 where there was no time for it.
    pub calm: [u64; 2],
    /// Open descriptors once nobody calls any more.
    pub descriptors: usize,
    /// Network namespaces that the kernel has as known then; the agent's own is one.
    pub namespaces: usize,
}

impl Watch {
    /// Waits, and looks now and then.
    pub(super) fn during(&mut self, agent: &Agent<'_>, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.memory.push(agent.memory("VmRSS")?);
            thread::sleep(Duration::from_millis(250).min(until - Instant::now()));
        }
        Ok(())
    }

    /// Looks at a process that stays.
    pub(super) fn calm(&mut self, agent: &Agent<'_>) -> Result<()> {
        self.calm.push(agent.memory("VmRSS")?);
        Ok(())
    }

    /// Looks again once nobody calls any more and the namespaces are let go.
    pub(super) fn end(self, world: &World, agent: &Agent<'_>) -> Result<Usage> {
        let deadline = Instant::now() + LET_GO;
        let mut namespaces = pins::namespaces(world)?.len();
        while namespaces > 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(200));
            namespaces = pins::namespaces(world)?.len();
        }
        if namespaces > 1 {
            // What the agent goes by: whether something keeps them.
            let mounts = fs::read_to_string("/proc/self/mountinfo")?;
            for line in mounts.lines().filter(|line| line.contains(" - nsfs ")) {
                eprintln!("mounted: {line}");
            }
            let left = fs::read_to_string(world.cgroup.path().join("cgroup.procs"))?;
            eprintln!("in the cgroup: {:?}", left.lines().collect::<Vec<_>>());
        }
        let (third, quarter) = (self.memory.len() / 3, self.calm.len() / 4);
        Ok(Usage {
            thirds: [
                median(&self.memory[..third]),
                median(&self.memory[self.memory.len() - third..]),
            ],
            calm: [
                median(&self.calm[quarter..2 * quarter]),
                median(&self.calm[self.calm.len() - quarter..]),
            ],
            descriptors: fs::read_dir(format!("/proc/{}/fd", agent.pid()))?.count(),
            namespaces,
        })
    }
}

impl Usage {
    pub(super) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, [first, last]) in [("in all", self.thirds), ("of one process", self.calm)] {
            if last > first + MEMORY_BOUND {
                found.push(format!("memory {what} grew from {first} KiB to {last} KiB"));
            }
        }
        if self.descriptors > DESCRIPTORS_BOUND {
            found.push(format!(
                "{} descriptors are open at the end",
                self.descriptors
            ));
        }
        if self.namespaces > 1 {
            found.push(format!(
                "{} network namespaces that are gone were not let go",
                self.namespaces - 1
            ));
        }
        found
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
