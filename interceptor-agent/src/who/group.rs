//! What the paths of a process's cgroups say: systemd unit, container, pod.

/// A process's place in the tree of cgroups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The path below the cgroup-v2 mount.
    pub path: Option<String>,
    /// The innermost systemd service or scope that is no container's.
    pub unit: Option<String>,
    /// The 64 hex digits that container runtimes give.
    pub container: Option<String>,
    /// The pod's UID that a kubelet gives.
    pub pod: Option<String>,
}

impl Group {
    /// What one path of cgroup v2 says.
    pub fn of(path: &str) -> Self {
        let mut group = Self::default();
        group.add(path);
        group.path = Some(path.to_owned());
        group
    }

    /// What all of a process's paths say, by /proc/PID/cgroup (cgroups(7)): where v1 stands beside v2, runtimes use the one
    /// or the other. A path of cgroup v2 that is known otherwise replaces the table's.
    pub fn parse(table: &str, v2: Option<&str>) -> Self {
        let mut group = v2.map(Self::of).unwrap_or_default();
        for line in table.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(hierarchy), Some(_), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if hierarchy != "0" {
                group.add(path);
            } else if v2.is_none() {
                group.add(path);
                group.path = Some(path.to_owned());
            }
        }
        group
    }

    fn add(&mut self, path: &str) {
        for name in path.split('/') {
            self.container = self.container.take().or_else(|| container(name));
            self.pod = self.pod.take().or_else(|| pod(name));
            if is_unit(name) {
                self.unit = Some(name.to_owned());
            }
        }
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
            let group = Group::parse(&table, None);
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
            assert_eq!(Group::parse(table, None).container, None);
        }
    }

    #[test]
    fn a_path_that_is_known_otherwise_is_the_one_that_counts() {
        let table = format!("3:pids:/docker/{ID}\n0::/moved.slice/late.service");
        let group = Group::parse(&table, Some("/system.slice/nginx.service"));
        assert_eq!(group.path.as_deref(), Some("/system.slice/nginx.service"));
        assert_eq!(group.unit.as_deref(), Some("nginx.service"));
        assert_eq!(group.container.as_deref(), Some(ID));
    }
}
