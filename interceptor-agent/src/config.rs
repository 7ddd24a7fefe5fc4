//! The configuration: read from TOML, checked whole, and ready to use. docs/config.md explains every key.
//!
//! What the user wrote stays inside [`read`]; whoever holds a [`Config`] has nothing left to check.

mod analyzer;
mod detectors;
mod listeners;
mod policies;
mod read;
mod response;
mod section;
mod values;
mod vault;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::hosts::Hosts;
use crate::mask::detector::rules::Rules;
use crate::mask::detector::{Action, Detectors};
use crate::mask::{Mode, request};
use crate::sigv4::{Credentials, CredentialsError};

pub use analyzer::{Analyzer, Place, Unanalyzed};
pub use listeners::{Endpoint, Listener, Others};
pub use policies::{Decisions, Match, Rule, unreachable};
pub use response::ResponsePolicy;
pub use section::Problem;
pub use vault::{Vault, VaultStore};

/// Everything an operator can decide.
#[derive(Clone, Debug)]
pub struct Config {
    /// What happens to findings.
    pub mode: Mode,
    /// Which connections are steered into the agent, and how.
    pub steering: Steering,
    /// Certificates on both sides.
    pub tls: Tls,
    /// The LLM hosts.
    pub hosts: Hosts,
    /// What is masked, and what happens to paths without text rules.
    pub mask: MaskPolicy,
    /// Who else looks at requests.
    pub analyzer: Option<Analyzer>,
    /// What answers are looked at for.
    pub response: ResponsePolicy,
    /// What holds for some processes instead; the first that matches.
    pub policies: Vec<Rule>,
    /// Bounds on what one client can make the agent hold.
    pub limits: Limits,
    /// The record of every exchange; none without it.
    pub audit: Option<Audit>,
    /// Credentials to sign with; without them signed requests that masking changed are refused.
    pub bedrock: Option<Bedrock>,
    /// Where values are kept that stand behind what providers keep; without it tokens mean something in their own exchange only.
    pub vault: Option<Vault>,
    /// Liveness, readiness and metrics.
    pub admin: Admin,
    /// The agent's own log.
    pub log: Log,
    /// Where clients that nothing steers come by themselves.
    pub listeners: Vec<Listener>,
}

/// `[steering]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steering {
    /// What brings connections here.
    pub backend: Backend,
    /// Which destinations are steered.
    pub scope: Reach,
    /// Below the cgroup-v2 mount; `/` is every process. nftables steers every process of its network namespace instead.
    pub cgroup: PathBuf,
    /// TCP ports that are steered; UDP to them (QUIC) is refused.
    pub ports: Vec<u16>,
    /// TCP ports looked at only to refuse plain HTTP to LLM hosts.
    pub plain_ports: Vec<u16>,
    /// Destinations never steered, beside loopback and link-local ones.
    pub never: Vec<Cidr>,
    /// The agent's port on loopback.
    pub listen_port: u16,
    /// Where links and maps are pinned, on a bpf file system.
    pub pin_dir: PathBuf,
    /// How long the kernel side goes on steering without a sign of life; then it refuses.
    pub heartbeat: Duration,
}

/// `steering.backend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The best that this machine has.
    Auto,
    /// eBPF programs, or an error that says why not.
    Ebpf,
    /// nftables rules, or an error that says why not.
    Nftables,
    /// Nothing: only who comes to a listener is served.
    Off,
}

/// `steering.scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every destination.
    All,
    /// Addresses that are known to serve LLM hosts; eBPF only.
    KnownHosts,
}

impl Reach {
    /// As the config has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::KnownHosts => "known-hosts",
        }
    }
}

/// `[tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Folder made by `interceptor ca init`.
    pub ca_dir: PathBuf,
    /// PEM files of roots that upstreams may lead to, beside the system's.
    pub extra_roots: Vec<PathBuf>,
}

/// `[mask]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskPolicy {
    /// Only the classes that the operator named; the others keep their own action.
    pub classes: BTreeMap<String, Action>,
    /// How values are found: profiles, exceptions, the operator's own detectors.
    pub rules: Arc<Rules>,
    /// A path of an LLM host that no adapter knows.
    pub unknown_path: PathPolicy,
    /// A known path that is not LLM API, like a coding agent's telemetry. Never `Report`.
    pub side_path: PathPolicy,
    /// Most bytes that each policy keeps of where earlier requests had values; with 0, nothing.
    pub cache: usize,
    /// Content of a known path that can't be read: uploads that are neither text nor known media, and speech on a
    /// connection that stays open.
    pub unreadable: PathPolicy,
}

/// What happens to a request whose path has no text rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathPolicy {
    /// Refused.
    Block,
    /// Passed unmasked, logged and counted.
    Report,
    /// Passed unmasked, counted.
    Allow,
}

impl PathPolicy {
    /// Greater, where less is let through.
    pub(crate) fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Report => 1,
            Self::Block => 2,
        }
    }
}

/// `[limits]`. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body held for masking, encoded or decoded.
    pub request_body: usize,
    /// Largest response body held where it can't be streamed, encoded or decoded.
    pub response_body: usize,
    /// Most header fields of one message.
    pub header_fields: usize,
    /// Most bytes of one message's header.
    pub header_bytes: usize,
    /// Time a client has for its ClientHello and each request's header.
    pub header_timeout: Duration,
    /// Time between two bytes of a request body.
    pub body_timeout: Duration,
    /// Time an upstream has to accept a connection and its TLS.
    pub connect_timeout: Duration,
    /// Time an upstream has between request and answer, and between two bytes of the answer.
    pub response_timeout: Duration,
    /// Time a kept connection may go unused.
    pub idle_timeout: Duration,
    /// Most client connections at once.
    pub connections: usize,
}

/// `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Where records are appended.
    pub file: PathBuf,
    /// What becomes of requests when they can't be.
    pub on_failure: OnFailure,
}

/// `audit.on_failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They are refused.
    Refuse,
    /// They go on, unrecorded; counted.
    Continue,
}

/// `[bedrock]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bedrock {
    /// A file as the AWS tools have it, which nobody else can read.
    pub credentials_file: PathBuf,
    /// Which of its profiles.
    pub profile: String,
}

impl Bedrock {
    /// Reads the credentials.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn load(&self) -> Result<Credentials, CredentialsError> {
        Credentials::load(&self.credentials_file, &self.profile)
    }
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where /live, /ready and /metrics are served; nowhere without it.
    pub listen: Option<SocketAddr>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Lines for people or for programs.
    pub format: LogFormat,
    /// Least severity written.
    pub level: tracing::Level,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// First address; bits behind the prefix are zero.
    pub addr: IpAddr,
    /// Bits that count: at most 32 or 128.
    pub prefix: u8,
}

impl Cidr {
    /// Whether an address is in it. An IPv4 address mapped into IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((own, family), (other, of)) = (bits(self.addr), bits(address));
        let differ = (own ^ other).checked_shr(128 - u32::from(self.prefix));
        family == of && differ.unwrap_or(0) == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// What is wrong with a configuration. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file}: {source}; name a readable file with --config")]
    Unreadable {
        /// As given.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML. The source says line and column.
    #[error("{file}: not valid TOML\n{source}")]
    Syntax {
        /// As given.
        file: String,
        /// The place and what was expected there.
        source: toml::de::Error,
    },
    /// TOML, but not a configuration: everything that is wrong with it, in order of lines.
    #[error("{file}: {}", describe(problems))]
    Invalid {
        /// As given.
        file: String,
        /// At least one.
        problems: Vec<Problem>,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it can't be read, is no TOML, or any key or value is wrong; all of them are named.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::checked(&file, &text, &known_classes()),
            Err(source) => Err(ConfigError::Unreadable { file, source }),
        }
    }

    /// Checks a text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::checked("config", text, &known_classes())
    }

    fn checked(file: &str, text: &str, classes: &[&str]) -> Result<Self, ConfigError> {
        let (config, problems) =
            read::config(text, classes).map_err(|source| ConfigError::Syntax {
                file: file.to_owned(),
                source,
            })?;
        match problems.is_empty() {
            true => Ok(config),
            false => Err(ConfigError::Invalid {
                file: file.to_owned(),
                problems,
            }),
        }
    }
}

impl Config {
    /// What holds where no policy matches.
    pub fn decisions(&self) -> Decisions {
        Decisions {
            mode: self.mode,
            unknown_path: self.mask.unknown_path,
            side_path: self.mask.side_path,
            unreadable: self.mask.unreadable,
            classes: self.mask.classes.clone(),
            hosts: None,
        }
    }
}

fn known_classes() -> Vec<&'static str> {
    Detectors::class_names().collect()
}

/// What holds where the file says nothing, and for commands run without a file.
impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            steering: Steering {
                backend: Backend::Auto,
                scope: Reach::All,
                cgroup: "/".into(),
                ports: vec![443],
                plain_ports: vec![80],
                never: Vec::new(),
                listen_port: 15443,
                pin_dir: "/sys/fs/bpf/interceptor".into(),
                heartbeat: Duration::from_secs(3),
            },
            tls: Tls {
                ca_dir: "/var/lib/interceptor/ca".into(),
                extra_roots: Vec::new(),
            },
            hosts: Hosts::builtin(),
            mask: MaskPolicy {
                classes: BTreeMap::new(),
                rules: Arc::default(),
                unknown_path: PathPolicy::Block,
                side_path: PathPolicy::Block,
                cache: request::CACHE,
                unreadable: PathPolicy::Block,
            },
            analyzer: None,
            response: ResponsePolicy::default(),
            policies: Vec::new(),
            limits: Limits {
                request_body: 32 << 20,
                response_body: 64 << 20,
                header_fields: 100,
                header_bytes: 64 << 10,
                header_timeout: Duration::from_secs(15),
                body_timeout: Duration::from_secs(30),
                connect_timeout: Duration::from_secs(10),
                response_timeout: Duration::from_secs(600),
                idle_timeout: Duration::from_secs(120),
                connections: 16_384,
            },
            audit: None,
            bedrock: None,
            vault: None,
            admin: Admin { listen: None },
            log: Log {
                format: LogFormat::Text,
                level: tracing::Level::INFO,
            },
            listeners: Vec::new(),
        }
    }
}

fn describe(problems: &[Problem]) -> String {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    problems
        .iter()
        .fold(count, |text, problem| format!("{text}\n{problem}"))
}

#[cfg(test)]
mod tests;
