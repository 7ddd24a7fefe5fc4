//! `interceptor status`: what is enforced now, whether an agent lives, and what to do if not.

mod listeners;
mod nftables;
mod notes;
mod past;
mod text;
mod verdict;

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    config::{Backend, Config, Reach},
    listener,
    steering::{
        self,
        cgroup::Cgroup,
        ebpf::survey::{self, Fill, Holder, Link, Maps, Namespaces, Survey},
    },
};
use notes::Note;
use verdict::State;

/// Arguments of `interceptor status`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ends with 0 while connects are steered to a living agent, else with 1 and what to do."
)]
pub struct Args {
    /// The configuration that is run, for its cgroup and pin folder
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        // With `auto`, rules that are there are what steers; who may not look at them may not look at pins either.
        let rules = match config.steering.backend {
            Backend::Off => {
                let status = listeners::Status::of(&config.listeners);
                match self.json {
                    true => println!("{}", serde_json::to_string_pretty(&status)?),
                    false => print!("{}", status.text()),
                }
                return Ok(status.code());
            }
            Backend::Ebpf => None,
            Backend::Nftables => Some(steering::nftables::survey()?),
            Backend::Auto => steering::nftables::survey().ok().flatten().map(Some),
        };
        if let Some(survey) = rules {
            return self.tell(&nftables::Status::of(survey));
        }
        let status = Status::of(&config)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else {
            print!("{}", text::text(&status));
        }
        Ok(match status.state {
            State::Steering => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }

    fn tell(&self, status: &nftables::Status) -> anyhow::Result<ExitCode> {
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(status)?),
            false => print!("{}", status.text()),
        }
        Ok(match status.state {
            State::Steering => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

/// Everything that is told, in the order of the JSON object.
#[derive(Debug, Serialize)]
struct Status {
    state: State,
    /// `None` where all is well.
    next_step: Option<String>,
    agent: Agent,
    cgroup: CgroupInfo,
    pins: PathBuf,
    links: Vec<Link>,
    port: Option<Port>,
    ports: Vec<u16>,
    plain_ports: Vec<u16>,
    /// As enforced; `None` before an agent ever ran here.
    scope: Option<&'static str>,
    /// Addresses and ranges that are steered, where not all are.
    known_addresses: Option<usize>,
    namespaces: Option<Namespaces>,
    /// Connections that go past a living agent; `None` where that can't be told.
    past_connections: Option<usize>,
    handoffs: Option<Fill>,
    counters: BTreeMap<&'static str, u64>,
    notes: Vec<Note>,
}

#[derive(Debug, Serialize)]
struct Agent {
    state: AgentState,
    /// As this pid namespace numbers it.
    pid: Option<u32>,
    heartbeat_age_ms: Option<u64>,
    stale_after_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum AgentState {
    /// Gives signs of life.
    Alive,
    /// There, and not a sign of life yet.
    Starting,
    /// There, and silent for too long.
    Hung,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// None runs on these pins.
    Gone,
}

#[derive(Debug, Serialize)]
struct CgroupInfo {
    /// As the config names it.
    path: PathBuf,
    /// `None`: there is no such cgroup.
    id: Option<u64>,
}

/// The agent's own port.
#[derive(Debug, Serialize)]
struct Port {
    number: u16,
    /// Whether the kernel may hand it to any other socket.
    ephemeral: bool,
}

impl Status {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let path = &config.steering.cgroup;
        let id = Cgroup::open(path).ok().and_then(|cgroup| cgroup.id().ok());
        let survey = survey::survey(&config.steering.pin_dir, id)
            .context("what is pinned can't be read; that needs root: try sudo")?;
        let agent = Agent::of(&survey);
        let cgroup = CgroupInfo {
            path: path.clone(),
            id,
        };
        let past = past::past(config, &survey, &agent);
        let verdict = verdict::verdict(&survey, agent.state, &cgroup, past.unwrap_or(0));
        let notes = notes::notes(config, &survey, &cgroup);
        let Survey {
            pins, links, maps, ..
        } = survey;
        let settings = maps.as_ref().map(|maps| maps.settings);
        let used = |ports: &[u16]| ports.iter().copied().filter(|port| *port > 0).collect();
        Ok(Self {
            state: verdict.state,
            next_step: verdict.next_step,
            agent,
            cgroup,
            pins,
            links,
            port: settings.map(|settings| Port {
                number: settings.listen_port,
                ephemeral: listener::is_ephemeral(settings.listen_port),
            }),
            ports: settings.map_or_else(Vec::new, |settings| used(&settings.tls_ports)),
            plain_ports: settings.map_or_else(Vec::new, |settings| used(&settings.plain_ports)),
            scope: settings.map(|settings| match settings.known_hosts {
                0 => Reach::All.as_str(),
                _ => Reach::KnownHosts.as_str(),
            }),
            known_addresses: maps.as_ref().and_then(|maps| maps.known),
            namespaces: maps.as_ref().map(|maps| maps.namespaces),
            past_connections: past,
            handoffs: maps.as_ref().map(|maps| maps.handoffs),
            counters: maps.iter().flat_map(counters).collect(),
            notes,
        })
    }
}

impl Agent {
    fn of(survey: &Survey) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let maps = survey.maps.as_ref();
        let heartbeat = maps.and_then(|maps| maps.heartbeat);
        let stale_after = maps.map(|maps| Duration::from_nanos(maps.settings.stale_after));
        let pid = match survey.agent {
            Holder::Agent(pid) => pid,
            Holder::Nobody => None,
        };
        let state = match (survey.agent, heartbeat) {
            (Holder::Nobody, _) => AgentState::Gone,
            _ if pid.is_some_and(is_stopped) => AgentState::Stopped,
            (_, None) => AgentState::Starting,
            (_, Some(age)) if stale_after.is_some_and(|limit| age > limit) => AgentState::Hung,
            _ => AgentState::Alive,
        };
        Self {
            state,
            pid,
            heartbeat_age_ms: heartbeat.map(milliseconds),
            stale_after_ms: stale_after.map(milliseconds),
        }
    }
}

fn counters(maps: &Maps) -> impl Iterator<Item = (&'static str, u64)> {
    let counters = maps.counters.iter();
    counters.map(|(counter, count)| (counter.as_str(), *count))
}

/// The state follows the name in parentheses, which may hold anything (proc_pid_stat(5)).
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}
