//! What `deploy/` says agrees with what the agent does.

use std::net::SocketAddr;

use interceptor_agent::config::Config;

const MANIFEST: &str = include_str!("../../deploy/kubernetes/interceptor.yaml");
const UNIT: &str = include_str!("../../deploy/systemd/interceptor.service");
const UNIT_CONFIG: &str = include_str!("../../deploy/systemd/interceptor.toml");

/// The values of a key in the manifest, wherever it stands.
fn values(key: &str) -> impl Iterator<Item = &'static str> {
    MANIFEST.lines().filter_map(move |line| {
        let line = line.trim_start().trim_start_matches("- ");
        Some(line.strip_prefix(key)?.strip_prefix(':')?.trim())
    })
}

/// The text of a block scalar.
fn block(key: &str) -> String {
    let mut lines = MANIFEST.lines();
    let head = format!("{key}: |");
    let indent = lines
        .find(|line| line.trim_start() == head)
        .map_or(0, |line| line.len() - line.trim_start().len());
    let inside =
        |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
    let text: Vec<&str> = lines.take_while(inside).map(str::trim_start).collect();
    text.join("\n")
}

#[test]
fn the_manifest_is_a_node_agents() {
    for (number, line) in (1..).zip(MANIFEST.lines()) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        assert!(
            !line.contains('\t') && indent % 2 == 0,
            "line {number}: {line:?}"
        );
    }
    let kinds: Vec<_> = values("kind").collect();
    assert_eq!(kinds, ["Namespace", "ConfigMap", "DaemonSet"]);
    for (key, value) in [
        ("hostNetwork", "true"),
        ("hostPID", "true"),
        ("privileged", "true"),
        ("automountServiceAccountToken", "false"),
        ("defaultMode", "0400"),
    ] {
        assert_eq!(values(key).collect::<Vec<_>>(), [value], "{key}");
    }
}

#[test]
fn the_manifests_config_and_its_mounts_and_probes_agree() {
    let config = Config::parse(&block("interceptor.toml")).unwrap();
    let listen: SocketAddr = config.admin.listen.unwrap();
    assert!(listen.ip().is_loopback());
    let ports: Vec<_> = values("port").collect();
    assert_eq!(ports, vec![listen.port().to_string(); 3]);
    let paths: Vec<_> = values("path").collect();
    for path in ["/ready", "/live", "/sys/fs/bpf", "/sys/fs/cgroup"] {
        assert!(paths.contains(&path), "{path}");
    }
    let mounts: Vec<_> = values("mountPath").collect();
    assert!(mounts.contains(&config.tls.ca_dir.to_str().unwrap()));
    assert!(
        mounts
            .iter()
            .any(|mount| config.steering.pin_dir.starts_with(mount))
    );
}

#[test]
fn the_unit_starts_before_the_network_and_never_gives_up() {
    let config = Config::parse(UNIT_CONFIG).unwrap();
    assert!(config.admin.listen.unwrap().ip().is_loopback());
    for line in [
        "Before=network-pre.target",
        "Type=notify",
        "Restart=always",
        "StartLimitIntervalSec=0",
    ] {
        assert!(UNIT.lines().any(|found| found == line), "{line}");
    }
}
