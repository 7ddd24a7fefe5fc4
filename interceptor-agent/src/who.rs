//! Who made a connection, in the words of those who run the machine: command, systemd unit, container, pod.
//!
//! Read from /proc once a connection, while the process waits for its answer. What can't be read is left out.

use std::{fs, net::IpAddr};

use sha2::{Digest as _, Sha256};

use crate::original_dst::Process;

/// A process and where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// As the kernel saw it at the `connect`.
    pub process: Process,
    /// The first 16 hex digits of the SHA-256 of its command line, as /proc/PID/cmdline has it: the arguments
    /// themselves may hold secrets.
    pub command: Option<String>,
    /// Its cgroup.
    pub group: Group,
    /// Its address, where it is on another machine, and nothing else is known of it.
    pub peer: Option<IpAddr>,
}

/// What a cgroup's path says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The path below the cgroup-v2 mount.
    pub path: Option<String>,
    /// A systemd service or scope that is no container's.
    pub unit: Option<String>,
    /// The 64 hex digits that container runtimes give.
    pub container: Option<String>,
    /// The pod's UID that a kubelet gives.
    pub pod: Option<String>,
}

impl Who {
    /// Looks the process up.
    pub fn of(process: Process) -> Self {
        let read = |name: &str| fs::read(format!("/proc/{}/{name}", process.pid)).ok();
        let command = read("cmdline").filter(|line| !line.is_empty());
        let table = read("cgroup").unwrap_or_default();
        Self {
            command: command.map(|line| digest(&line)),
            group: Group::parse(&String::from_utf8_lossy(&table)),
            process,
            peer: None,
        }
    }
}

impl Group {
    /// Reads /proc/PID/cgroup (cgroups(7)). Where v1 stands beside v2, runtimes use the one or the other: all paths count.
    fn parse(table: &str) -> Self {
        let mut group = Self::default();
        for line in table.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(hierarchy), Some(_), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if hierarchy == "0" {
                group.path = Some(path.to_owned());
            }
            for name in path.split('/') {
                group.container = group.container.or_else(|| container(name));
                group.pod = group.pod.or_else(|| pod(name));
                if is_unit(name) {
                    group.unit = Some(name.to_owned());
                }
            }
        }
        group
    }
}

/// `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>`.
fn container(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let id = name.rsplit(['-', ':']).next()?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

/// `pod<uid>`, and `kubepods-burstable-pod<uid>.slice` with underscores for the UID's dashes.
fn pod(name: &str) -> Option<String> {
    let name = name.split(".slice").next()?;
    let uid = name.rsplit('-').next().filter(|last| last.contains('_'));
    let uid = uid.unwrap_or(name).strip_prefix("pod")?.replace('_', "-");
    let is_uid = uid.len() == 36
        && uid
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_uid.then_some(uid)
}

fn is_unit(name: &str) -> bool {
    (name.ends_with(".service") || name.ends_with(".scope")) && container(name).is_none()
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

    const ID: &str = "4f2c9a0e8b7d6c5b4a39281706f5e4d3c2b1a0998877665544332211ffeeddcc";
    const UID: &str = "7d0c2f1e-3b4a-4c5d-8e9f-0a1b2c3d4e5f";

    #[test]
    fn every_runtimes_paths_are_read() {
        let uid_in_slice = UID.replace('-', "_");
        let cases = [
            (
                format!("0::/system.slice/docker-{ID}.scope"),
                Some(ID),
                None,
                None,
            ),
            (
                format!("12:pids:/docker/{ID}\n0::/system.slice/docker.service"),
                Some(ID),
                None,
                Some("docker.service"),
            ),
            (
                format!("0::/kubepods/burstable/pod{UID}/{ID}"),
                Some(ID),
                Some(UID),
                None,
            ),
            (
                format!(
                    "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_in_slice}.slice/cri-containerd-{ID}.scope"
                ),
                Some(ID),
                Some(UID),
                None,
            ),
            (
                format!("0::/kubepods-besteffort-pod{uid_in_slice}.slice:cri-containerd:{ID}"),
                Some(ID),
                Some(UID),
                None,
            ),
            (
                format!("0::/machine.slice/libpod-{ID}.scope/container"),
                Some(ID),
                None,
                None,
            ),
            (
                "0::/system.slice/nginx.service".to_owned(),
                None,
                None,
                Some("nginx.service"),
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-code-77.scope"
                    .to_owned(),
                None,
                None,
                Some("app-code-77.scope"),
            ),
            ("0::/".to_owned(), None, None, None),
        ];
        for (table, container, pod, unit) in cases {
            let group = Group::parse(&table);
            let seen = (
                group.container.as_deref(),
                group.pod.as_deref(),
                group.unit.as_deref(),
            );
            assert_eq!(seen, (container, pod, unit), "{table}");
        }
    }

    #[test]
    fn broken_tables_say_nothing() {
        for table in ["", "0", "0:", "nonsense\n::", "\u{fffd}:x:/y"] {
            assert_eq!(Group::parse(table).container, None);
        }
    }

    #[test]
    fn a_process_is_looked_up_without_its_arguments() {
        let own = Process {
            pid: std::process::id(),
            ..Process::default()
        };
        let line = fs::read("/proc/self/cmdline").unwrap();
        let who = Who::of(own);
        assert_eq!(who.command, Some(digest(&line)));
        assert!(who.group.path.is_some());
        let nobody = Who::of(Process {
            pid: u32::MAX,
            ..Process::default()
        });
        assert_eq!((nobody.command, nobody.group), (None, Group::default()));
    }
}
