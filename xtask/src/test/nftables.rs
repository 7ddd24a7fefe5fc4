//! The second pass of the end-to-end tests, on nftables: what clients, providers and operators see has to be the same.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use super::Artifact;
use crate::env::Env;
use crate::shell::Sh;

/// The themes that both backends have to pass. The others are about eBPF's own hooks, or steer nothing.
const THEMES: [&str; 12] = [
    "audit",
    "bad_input",
    "bad_provider",
    "clients",
    "exchange",
    "fidelity",
    "hosts",
    "leaks",
    "lifecycle",
    "policy",
    "sdks",
    "who",
];

/// Tests of these themes that are about eBPF, by how their names begin, and why.
const EBPF_ONLY: [(&str, &str); 5] = [
    (
        "exchange::the_log_says_who_it_was",
        "of a process nftables knows the user alone; see nftables::",
    ),
    (
        "lifecycle::again::a_second_agent_says_that_there_is_one_and_harms_nothing",
        "pins can be elsewhere, a network namespace can't; see nftables::",
    ),
    (
        "lifecycle::stop::uninstalled_it_leaves_no_trace_and_connects_go_direct",
        "it looks for pins and links; see nftables::",
    ),
    (
        "lifecycle::upgrade::",
        "a successor takes over pins; with nftables it starts once the other has ended",
    ),
    (
        "who::cgroup::",
        "nftables knows no cgroup of a process; policies by user run on both",
    ),
];

/// Runs them; false if any failed.
pub(super) fn pass(
    env: &Env,
    binary: &Artifact,
    agent: &Path,
    filter: Option<&str>,
    args: &[OsString],
) -> Result<bool> {
    let listed = Sh::new(&binary.executable)
        .args(filter)
        .args(["--list", "--format", "terse"])
        .read()?;
    let in_themes: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| {
            name.split("::")
                .next()
                .is_some_and(|theme| THEMES.contains(&theme))
        })
        .collect();
    if in_themes.is_empty() {
        return Ok(true);
    }
    eprintln!("\n     Running {binary} on nftables");
    let why_not = |name: &&str| EBPF_ONLY.iter().find(|(only, _)| name.starts_with(only));
    for (name, reason) in in_themes.iter().filter_map(why_not) {
        eprintln!("     not run: {name}: {reason}");
    }
    let names: Vec<&str> = in_themes
        .into_iter()
        .filter(|name| why_not(name).is_none())
        .collect();
    if names.is_empty() {
        return Ok(true);
    }
    Sh::root(
        &binary.executable,
        "end-to-end tests make network namespaces and nftables rules",
    )?
    .arg("--exact")
    .args(&names)
    .args(args)
    .current_dir(&binary.package_dir)
    .env_for_tests(env, agent)
    .env("CARGO_MANIFEST_DIR", &binary.package_dir)
    .env("INTERCEPTOR_TEST_BACKEND", "nftables")
    .succeeds()
}
