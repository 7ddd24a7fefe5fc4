//! The status for people.

use std::fmt::Write as _;

use super::{AgentState, State, Status};
use crate::steering::ebpf::survey::{Fill, Link, LinkState};

pub(super) fn text(status: &Status) -> String {
    let mut text = format!("{}\n", headline(status));
    if let Some(next_step) = &status.next_step {
        let _ = writeln!(text, "do: {next_step}");
    }
    text.push('\n');
    let ports = |ports: &[u16]| {
        let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
        ports.join(", ")
    };
    let fill = |fill: Option<Fill>| {
        fill.map_or_else(String::new, |fill| {
            format!("{} of {}", fill.entries, fill.most)
        })
    };
    let cgroup = match status.cgroup.id {
        Some(id) => format!("{}  id {id}", status.cgroup.path.display()),
        None => format!("{}  not there", status.cgroup.path.display()),
    };
    let port = status.port.as_ref().map_or_else(String::new, |port| {
        let ephemeral = if port.ephemeral { "  EPHEMERAL" } else { "" };
        format!("{}{ephemeral}", port.number)
    });
    let scope = match (status.scope, status.known_addresses) {
        (Some(scope), Some(known)) => format!("{scope}, {known} addresses and ranges"),
        (scope, _) => scope.unwrap_or_default().to_owned(),
    };
    let namespaces = status.namespaces.map_or_else(String::new, |seen| {
        format!("{} listened in, {} refused", seen.listening, seen.refused)
    });
    let rows = [
        ("agent", agent(status)),
        ("cgroup", cgroup),
        ("pins", status.pins.display().to_string()),
        ("listens on", port),
        ("scope", scope),
        ("tls ports", ports(&status.ports)),
        ("plain ports", ports(&status.plain_ports)),
        ("namespaces", namespaces),
        (
            "gone past",
            status
                .past_connections
                .map_or_else(String::new, |past| format!("{past} connections")),
        ),
        ("hand-offs", fill(status.handoffs)),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    text += "\nlinks\n";
    for link in &status.links {
        let _ = writeln!(
            text,
            "  {:<12} {:<14} {}",
            link.program,
            link.hook,
            state(link)
        );
    }
    if !status.counters.is_empty() {
        text += "\ncounters\n";
    }
    for (name, count) in &status.counters {
        let _ = writeln!(text, "  {name:<14} {count:>12}");
    }
    for note in &status.notes {
        let _ = write!(text, "\nnote: {}\n  do: {}\n", note.what, note.next_step);
    }
    text
}

fn headline(status: &Status) -> &'static str {
    match status.state {
        State::Steering => "STEERING: connects in scope go to a living agent",
        State::Refusing => "REFUSING: connects in scope are refused, no agent answers",
        State::Partly => "PARTLY STEERING: some connects go past the agent, UNMASKED",
        State::NotSteering => "NOT STEERING: connects go past the agent, UNMASKED",
    }
}

fn agent(status: &Status) -> String {
    let agent = &status.agent;
    let mut said = match agent.state {
        AgentState::Alive => "alive",
        AgentState::Starting => "starting",
        AgentState::Hung => "HUNG",
        AgentState::Stopped => "STOPPED",
        AgentState::Gone => "not running",
    }
    .to_owned();
    if let Some(pid) = agent.pid {
        let _ = write!(said, "  pid {pid}");
    }
    if let (Some(age), Some(limit)) = (agent.heartbeat_age_ms, agent.stale_after_ms) {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let (age, limit) = (seconds(age), seconds(limit));
        let _ = write!(said, "  heartbeat {age:.1} s ago, stale after {limit:.1} s");
    }
    said
}

fn state(link: &Link) -> String {
    match link.state {
        LinkState::Attached => "attached".to_owned(),
        LinkState::Elsewhere { cgroup } => format!("ATTACHED TO ANOTHER CGROUP, id {cgroup}"),
        LinkState::Detached => "DETACHED: its cgroup is gone".to_owned(),
        LinkState::WrongHook => "ATTACHED TO ANOTHER HOOK".to_owned(),
        LinkState::Missing => "MISSING".to_owned(),
    }
}
