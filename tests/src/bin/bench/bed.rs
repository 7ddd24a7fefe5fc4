//! Everything that runs during a bench: provider, two agents, HAProxy, and the processes that make the load.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::cgroup::Cgroup;
use interceptor_tests::{Agent, World};

use crate::bare::{self, Bare};
use crate::certs::Certs;
use crate::engine::process_on_cpu;
use crate::haproxy::{self, HaProxy};
use crate::load::{Job, Load, Target};
use crate::provider;
use crate::rounds::Sample;
use crate::texts::Answer;

/// The host that is asked, and its address in the harness' network.
const HOST: &str = "api.anthropic.com";
const ADDRESS: &str = "198.51.100.11";

/// A host that is no business of the agents', and its address.
const OTHER_HOST: &str = "www.example.com";
const OTHER_ADDRESS: &str = "198.51.100.50";

/// Destinations that the programs let pass although the port is in scope.
pub const NEVER: &str = "198.51.100.240/28";

/// The congestion control of Linux where nobody chooses another. BBR, which many hosts have, paces by timers: they take a
/// provider that is beside us more time than its bytes do, and one that is far away none of ours.
const CONGESTION_CONTROL: &str = "cubic";

/// How requests get to the provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Direct,
    Enforce,
    DryRun,
    HaProxy,
    Bare,
}

/// In the order of the report; `way as usize` is the place in it.
pub const WAYS: [Way; 5] = [
    Way::Direct,
    Way::Enforce,
    Way::DryRun,
    Way::HaProxy,
    Way::Bare,
];

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Enforce => "enforce",
            Self::DryRun => "dry-run",
            Self::HaProxy => "HAProxy",
            Self::Bare => "bare hyper",
        }
    }
}

/// The running bed. Fields are dropped in this order.
pub struct Bed<'w> {
    /// Steered to the enforcing agent.
    pub enforced: Load,
    dry: Load,
    /// Two in cgroups without programs: the second shows how much of a difference is noise.
    pub free: [Load; 2],
    /// The enforcing agent.
    pub agent: Agent<'w>,
    dry_agent: Agent<'w>,
    haproxy: HaProxy,
    bare: Bare,
    answer: Answer,
    _free_cgroups: [Cgroup; 2],
    _provider: tokio::runtime::Runtime,
}

impl<'w> Bed<'w> {
    pub fn start(worlds: &'w [World; 2]) -> Result<Self> {
        let [first, second] = worlds;
        let networks = worlds
            .iter()
            .flat_map(|world| [&world.clients, &world.provider]);
        for netns in networks {
            netns.run(set_congestion_control)??;
        }
        let threads = available_parallelism()?.get();
        let (answer, certs) = (Answer::new()?, Certs::new(&[HOST, OTHER_HOST])?);
        let provider = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let acceptor = Arc::new(certs.server_config()?).into();
        provider::serve(
            &provider,
            [&first.provider, &second.provider],
            &acceptor,
            &answer.masked,
        )?;
        for world in worlds {
            // The agents trust this file; the bench's provider has a CA of its own.
            fs::File::options()
                .append(true)
                .open(world.upstream.ca_file())?
                .write_all(certs.ca.as_bytes())?;
        }
        let options = |mode| Options {
            mode,
            steering: format!("ports = [{}]\nnever = [\"{NEVER}\"]", provider::PORT),
            ..Options::default()
        };
        let free_cgroups = [
            Cgroup::make(&format!("{}-free-1", std::process::id()))?,
            Cgroup::make(&format!("{}-free-2", std::process::id()))?,
        ];
        let [server, other] =
            [ADDRESS, OTHER_ADDRESS].map(|address| format!("{address}:{}", provider::PORT));
        let (netns, dir) = (&first.clients, first.dir());
        Ok(Self {
            haproxy: HaProxy::start(netns, dir, &certs, (HOST, &server), &other, threads)?,
            bare: Bare::start(netns, dir, &certs, HOST, &server)?,
            agent: Agent::start(first, &options("enforce"))?,
            dry_agent: Agent::start(second, &options("dry-run"))?,
            enforced: Load::start(&first.clients, &first.cgroup)?,
            dry: Load::start(&second.clients, &second.cgroup)?,
            free: [
                Load::start(&first.clients, &free_cgroups[0])?,
                Load::start(&first.clients, &free_cgroups[1])?,
            ],
            answer,
            _free_cgroups: free_cgroups,
            _provider: provider,
        })
    }

    /// Does a job one way.
    pub fn sample(&mut self, way: Way, job: impl FnOnce(Target) -> Job) -> Result<Sample> {
        let job = job(self.target(way)?);
        let middle = match way {
            Way::Direct => None,
            Way::Enforce => Some(self.agent.pid()),
            Way::DryRun => Some(self.dry_agent.pid()),
            Way::HaProxy => Some(self.haproxy.pid()),
            Way::Bare => Some(self.bare.pid()),
        };
        let on_cpu = || middle.map_or(Ok(0.0), process_on_cpu);
        let before = on_cpu()?;
        let load = match way {
            Way::Direct | Way::HaProxy | Way::Bare => &mut self.free[0],
            Way::Enforce => &mut self.enforced,
            Way::DryRun => &mut self.dry,
        };
        let done = load.run(&job)?;
        Ok(Sample {
            done,
            cpu: on_cpu()? - before,
        })
    }

    fn target(&self, way: Way) -> Result<Target> {
        let address: SocketAddr = match way {
            Way::HaProxy => ([127, 0, 0, 1], haproxy::PORT).into(),
            Way::Bare => ([127, 0, 0, 1], bare::PORT).into(),
            _ => SocketAddr::new(ADDRESS.parse()?, provider::PORT),
        };
        let bundle = match way {
            Way::DryRun => self.dry_agent.bundle(),
            _ => self.agent.bundle(),
        };
        let text = match way {
            Way::Enforce => &self.answer.plain,
            _ => &self.answer.masked,
        };
        Ok(Target {
            address,
            host: HOST.to_owned(),
            roots: bundle,
            text: text.clone(),
        })
    }

    /// The host that is none of the agents' business.
    pub fn other(&self) -> Result<Target> {
        Ok(Target {
            address: SocketAddr::new(OTHER_ADDRESS.parse()?, provider::PORT),
            host: OTHER_HOST.to_owned(),
            roots: self.agent.bundle(),
            text: self.answer.masked.clone(),
        })
    }

    /// A figure of the enforcing agent's `/proc/<pid>/status`, in MiB.
    pub fn memory(&self, field: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.agent.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
        let kib: f64 = kib.with_context(|| format!("no {field}"))?.parse()?;
        Ok(kib / 1024.0)
    }
}

/// Of the sockets to come in the network namespace that the thread is in.
fn set_congestion_control() -> Result<()> {
    let file = "/proc/sys/net/ipv4/tcp_congestion_control";
    fs::write(file, CONGESTION_CONTROL)
        .with_context(|| format!("can't write {CONGESTION_CONTROL} to {file}"))
}
