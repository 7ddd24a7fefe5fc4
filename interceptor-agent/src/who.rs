//! Who made a connection, in the words of those who run the machine: command, systemd unit, container, image, pod.
//!
//! Looked up once a connection. What can't be read is left out: a fact that is not known selects no policy.

mod group;
mod runtime;

use std::{fs, net::IpAddr, path::Path};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{original_dst::Process, steering::cgroup, sys};
pub use group::Group;
use runtime::{Container, Runtimes};

/// A process and where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// As the kernel saw it at the `connect`.
    pub process: Process,
    /// The first 16 hex digits of the SHA-256 of its command line, as /proc/PID/cmdline has it: the arguments
    /// themselves may hold secrets.
    pub command: Option<String>,
    /// Its cgroup, with all that the path says; for people.
    pub group: Group,
    /// The same without names that a user chose: of the cgroup at the `connect`, by the id that the kernel gave, down to where
    /// somebody else than root may make cgroups. For policies.
    pub vouched: Group,
    /// What the runtime says of the vouched container.
    pub container: Container,
    /// Its address, where it is on another machine, and nothing else is known of it.
    pub peer: Option<IpAddr>,
}

/// What log and audit tell of it.
#[derive(Debug, Serialize)]
pub struct Told<'w> {
    /// Where it is on another machine.
    peer: Option<IpAddr>,
    /// None where it is not known, as the user.
    pid: Option<u32>,
    uid: Option<u32>,
    comm: &'w str,
    command: Option<&'w str>,
    cgroup: Option<&'w str>,
    unit: Option<&'w str>,
    container: Option<&'w str>,
    image: Option<&'w str>,
    pod: Option<&'w str>,
    pod_namespace: Option<&'w str>,
    pod_name: Option<&'w str>,
}

impl Who {
    /// Looks the process up. It may have ended, and its number may be another's by now: what /proc says counts only for a
    /// process that was there at the `connect`.
    pub fn of(process: Process) -> Self {
        let proc = Path::new("/proc").join(process.pid.to_string());
        let read = |name: &str| fs::read(proc.join(name)).ok();
        let read = (read("cmdline"), read("cgroup"));
        // Asked last: a process that takes over the number meanwhile began too late as well.
        let (command, table) = match was_there(&proc, process.time) {
            true => read,
            false => (None, None),
        };
        let command = command.filter(|line| !line.is_empty());
        let table = table.unwrap_or_default();
        let at_connect = cgroup::by_id(process.cgroup);
        let path = at_connect.as_ref().map(|found| found.path.as_str());
        let vouched = at_connect.as_ref().map(|found| Group::of(found.vouched()));
        let vouched = vouched.unwrap_or_default();
        Self {
            command: command.map(|line| digest(&line)),
            group: Group::parse(&String::from_utf8_lossy(&table), path),
            container: Runtimes::of_this_machine().look_up(&vouched),
            vouched,
            process,
            peer: None,
        }
    }

    /// What log and audit tell.
    pub fn told(&self) -> Told<'_> {
        let (process, group, container) = (&self.process, &self.group, &self.container);
        Told {
            peer: self.peer,
            pid: process.known_pid(),
            uid: process.known_uid(),
            comm: &process.comm,
            command: self.command.as_deref(),
            cgroup: group.path.as_deref(),
            unit: group.unit.as_deref(),
            container: group.container.as_deref(),
            image: container.image.as_deref(),
            pod: group.pod.as_deref(),
            pod_namespace: container.pod_namespace.as_deref(),
            pod_name: container.pod_name.as_deref(),
        }
    }
}

/// Whether the process began before `time` (`CLOCK_MONOTONIC`; 0: nobody noted it), which makes it the one that had this
/// number then. /proc counts in hundredths of a second since boot (proc(5), field 22 of stat), in which no number comes round.
fn was_there(proc: &Path, time: u64) -> bool {
    const TICK: u64 = 10_000_000;
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest);
    let began: Option<u64> = fields
        .and_then(|rest| rest.split(' ').nth(19))
        .and_then(|ticks| ticks.parse().ok());
    began.is_some_and(|ticks| time == 0 || ticks.saturating_mul(TICK) <= sys::since_boot(time))
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(time: u64) -> Process {
        Process {
            pid: std::process::id(),
            time,
            ..Process::default()
        }
    }

    #[test]
    fn a_process_is_looked_up_without_its_arguments() {
        let line = fs::read("/proc/self/cmdline").unwrap();
        let who = Who::of(own(sys::monotonic_now()));
        assert_eq!(who.command, Some(digest(&line)));
        assert!(who.group.path.is_some());
        assert_eq!(who.vouched, Group::default(), "no cgroup was given");
        let nobody = Who::of(Process {
            pid: u32::MAX,
            ..Process::default()
        });
        assert_eq!((nobody.command, nobody.group), (None, Group::default()));
    }

    #[test]
    fn a_number_that_is_anothers_by_now_says_nothing() {
        // A connect long before this process began.
        let who = Who::of(own(1));
        assert_eq!((who.command, who.group), (None, Group::default()));
    }
}
