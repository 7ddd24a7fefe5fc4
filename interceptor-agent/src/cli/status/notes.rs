//! What an operator should know though it changes no verdict: limits that show here, and what the config says otherwise.

use std::path::Path;

use interceptor_common::Counter;
use serde::Serialize;

use super::CgroupInfo;
use crate::{
    config::{Config, Reach},
    listener,
    mask::Mode,
    steering::ebpf::survey::Survey,
};

/// Id of the root of the whole cgroup-v2 hierarchy (`kernfs_root`'s first inode).
const ROOT_CGROUP: u64 = 1;

/// One thing to know.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Note {
    pub(super) what: String,
    pub(super) next_step: &'static str,
}

pub(super) fn notes(config: &Config, survey: &Survey, cgroup: &CgroupInfo) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |what: String, next_step| notes.push(Note { what, next_step });
    if config.mode != Mode::Enforce {
        note(
            format!("mode {:?} in the config: nothing is masked", config.mode),
            "set mode = \"enforce\" once the findings are as expected",
        );
    }
    if let Some(id) = cgroup.id
        && id != ROOT_CGROUP
    {
        let whose = match cgroup.path == Path::new("/") {
            true => "the root of this cgroup namespace, not of the machine".to_owned(),
            false => format!("{}, not the machine's root", cgroup.path.display()),
        };
        note(
            format!("the cgroup is {whose}: sockets made outside it are not steered"),
            "for the whole machine, steering.cgroup = \"/\" in the host's cgroup namespace",
        );
    }
    if !config.steering.never.is_empty() {
        note(
            format!(
                "{} ranges of steering.never pass unmasked",
                config.steering.never.len()
            ),
            "remove those that are not needed",
        );
    }
    for version in &survey.other_versions {
        note(
            format!(
                "programs of another version are pinned at {}",
                version.display()
            ),
            "stop their agent, `interceptor uninstall`, and start this version's",
        );
    }
    let Some(maps) = &survey.maps else {
        return notes;
    };
    if maps.namespaces.refused > 0 {
        note(
            format!(
                "connects from {} network namespaces are refused: the agent can't listen there",
                maps.namespaces.refused
            ),
            "see the agent's log for why",
        );
    }
    let settings = &maps.settings;
    if listener::is_ephemeral(settings.listen_port) {
        note(
            format!(
                "the kernel may give the agent's port {} to others while no agent runs",
                settings.listen_port
            ),
            "add it to net.ipv4.ip_local_reserved_ports, or choose another steering.listen_port",
        );
    }
    let same =
        |inside: &[u16], wanted: &[u16]| inside.iter().filter(|port| **port > 0).eq(wanted.iter());
    let steering = &config.steering;
    let enforced = same(&settings.tls_ports, &steering.ports)
        && same(&settings.plain_ports, &steering.plain_ports)
        && [settings.listen_port, 0].contains(&steering.listen_port)
        && (settings.known_hosts != 0) == (steering.scope == Reach::KnownHosts)
        && u128::from(settings.stale_after) == steering.heartbeat.as_nanos();
    if !enforced {
        note(
            "the config's [steering] is not what is enforced".to_owned(),
            "reload or restart the agent, or name the file it runs with by --config",
        );
    }
    let lost = maps
        .counters
        .iter()
        .find(|(counter, _)| *counter == Counter::HandoffLost);
    if let Some((_, lost)) = lost
        && *lost > 0
    {
        note(
            format!(
                "{lost} connects had to wait or failed, because too many waited for the agent already"
            ),
            "see what connects so often, or give the agent more processor time",
        );
    }
    notes
}
