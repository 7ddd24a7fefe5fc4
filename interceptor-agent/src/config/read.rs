//! From TOML to [`Config`], section by section; what is wrong is collected on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use interceptor_common::MAX_PORTS;

use super::analyzer::analyzer;
use super::detectors::{detectors, rules};
use super::listeners::listeners;
use super::response::response;
use super::section::{Bad, Problem, Section, Source};
use super::values::{
    choice, cidr, count, duration, endpoint, path, port, size, socket, text, version,
};
use super::vault::vault;
use super::{
    Admin, Audit, Backend, Bedrock, Config, Limits, Log, LogFormat, MaskPolicy, OnFailure,
    PathPolicy, Reach, Steering, Tls, policies,
};
use crate::hosts::{Host, Hosts};
use crate::mask::Mode;
use crate::mask::detector::rules::Custom;
use crate::mask::detector::{Action, Class};
use crate::protocol::{Extra, Protocol, Route};

/// The configuration as far as it can be read, and everything that is wrong with it.
pub(super) fn config(
    toml: &str,
    classes: &[&str],
) -> Result<(Config, Vec<Problem>), toml::de::Error> {
    let table = toml::de::DeTable::parse(toml)?;
    let source = Source::new(toml);
    let mut root = source.root(table.get_ref());
    let default = Config::default();
    root.required("version", version);
    let alone = !root.has("listeners");
    let own = detectors(&mut root, classes);
    let steering = root.section("steering", |section| {
        steering(section, default.steering, alone)
    });
    let own_names = own.iter().map(|rule| rule.class.name);
    let taken: Vec<_> = classes.iter().copied().chain(own_names).collect();
    let analyzer = root.optional("analyzer", |section| analyzer(section, &steering, &taken));
    let analyzer = analyzer.flatten();
    let analyzed = analyzer.as_ref().map(|analyzer| analyzer.entities.clone());
    let analyzed = analyzed.unwrap_or_default();
    let (mask, classes) = root.section("mask", |section| {
        mask(section, default.mask, own, analyzed.clone(), classes)
    });
    let in_answers = |name: &&str| analyzed.iter().all(|class| class.name != *name);
    let in_answers: Vec<_> = classes.iter().copied().filter(in_answers).collect();
    let response = root.section("response", |section| response(section, &in_answers));
    let mode = root.get("mode", choice(MODES)).unwrap_or(default.mode);
    let mut config = Config {
        mode,
        listeners: listeners(&mut root, &steering),
        steering,
        tls: root.section("tls", |section| tls(section, default.tls)),
        hosts: hosts(&mut root, default.hosts),
        mask,
        analyzer,
        response,
        policies: default.policies,
        limits: root.section("limits", |section| limits(section, default.limits)),
        audit: root.optional("audit", audit).flatten(),
        bedrock: root.optional("bedrock", bedrock).flatten(),
        vault: root.optional("vault", vault).flatten(),
        admin: root.section("admin", |section| Admin {
            listen: section.get("listen", socket),
        }),
        log: root.section("log", |section| log(section, default.log)),
    };
    let top = config.decisions();
    config.policies = policies::read(&mut root, &top, &config.hosts, &classes);
    root.finish();
    Ok((config, source.into_problems()))
}

pub(super) const MODES: &[(&str, Mode)] = &[
    ("enforce", Mode::Enforce),
    ("report-only", Mode::ReportOnly),
    ("dry-run", Mode::DryRun),
];

pub(super) const ACTIONS: &[(&str, Action)] = &[
    ("mask", Action::Mask),
    ("block", Action::Block),
    ("report", Action::Report),
    ("allow", Action::Allow),
];

pub(super) const UNKNOWN_PATH: &[(&str, PathPolicy)] = &[
    ("block", PathPolicy::Block),
    ("report", PathPolicy::Report),
    ("allow", PathPolicy::Allow),
];

pub(super) const SIDE_PATH: &[(&str, PathPolicy)] =
    &[("block", PathPolicy::Block), ("allow", PathPolicy::Allow)];

fn bedrock(section: &mut Section<'_>) -> Option<Bedrock> {
    let credentials_file = section.required("credentials_file", path);
    let profile = section.get("profile", text);
    Some(Bedrock {
        credentials_file: credentials_file?,
        profile: profile.unwrap_or_else(|| "default".to_owned()),
    })
}

const BACKENDS: &[(&str, Backend)] = &[
    ("auto", Backend::Auto),
    ("ebpf", Backend::Ebpf),
    ("nftables", Backend::Nftables),
    ("off", Backend::Off),
];

const SCOPES: &[(&str, Reach)] = &[
    (Reach::All.as_str(), Reach::All),
    (Reach::KnownHosts.as_str(), Reach::KnownHosts),
];

const ON_FAILURE: &[(&str, OnFailure)] = &[
    ("refuse", OnFailure::Refuse),
    ("continue", OnFailure::Continue),
];

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

const LEVELS: &[(&str, tracing::Level)] = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

fn steering(section: &mut Section<'_>, default: Steering, alone: bool) -> Steering {
    let steering = Steering {
        backend: section
            .get("backend", choice(BACKENDS))
            .unwrap_or(default.backend),
        scope: section
            .get("scope", choice(SCOPES))
            .unwrap_or(default.scope),
        cgroup: section.get("cgroup", path).unwrap_or(default.cgroup),
        ports: section.list("ports", port).unwrap_or(default.ports),
        plain_ports: section
            .list("plain_ports", port)
            .unwrap_or(default.plain_ports),
        never: section.list("never", cidr).unwrap_or(default.never),
        listen_port: section
            .get("listen_port", port)
            .unwrap_or(default.listen_port),
        pin_dir: section.get("pin_dir", path).unwrap_or(default.pin_dir),
        heartbeat: section
            .get("heartbeat", duration(HEARTBEAT.0, HEARTBEAT.1))
            .unwrap_or(default.heartbeat),
    };
    if (steering.backend, steering.scope) == (Backend::Nftables, Reach::KnownHosts) {
        section.reject(
            "scope",
            Bad::new(
                "all, with backend = \"nftables\"",
                "leave the key out, or set backend = \"ebpf\", which known-hosts needs",
            ),
        );
    }
    if !(1..=MAX_PORTS).contains(&steering.ports.len()) {
        section.reject(
            "ports",
            Bad::new(
                format!("1 to {MAX_PORTS} ports"),
                "leave the key out for 443",
            ),
        );
    }
    if steering.plain_ports.len() > MAX_PORTS {
        section.reject(
            "plain_ports",
            Bad::new(
                format!("at most {MAX_PORTS} ports"),
                "leave the key out for 80",
            ),
        );
    }
    if steering
        .ports
        .iter()
        .any(|port| steering.plain_ports.contains(port))
    {
        section.reject(
            "plain_ports",
            Bad::new(
                "ports that are not in steering.ports",
                "list each port in one of them",
            ),
        );
    }
    if steering
        .ports
        .iter()
        .chain(&steering.plain_ports)
        .any(|port| *port == steering.listen_port)
    {
        section.reject(
            "listen_port",
            Bad::new(
                "a port that is not steered itself",
                "leave the key out for 15443",
            ),
        );
    }
    if steering.backend == Backend::Off && alone {
        section.reject(
            "backend",
            Bad::new(
                "auto, ebpf, nftables; off beside [[listeners]]",
                "add a [[listeners]], or leave the key out: this agent would do nothing",
            ),
        );
    }
    steering
}

const HEARTBEAT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

fn tls(section: &mut Section<'_>, default: Tls) -> Tls {
    Tls {
        ca_dir: section.get("ca_dir", path).unwrap_or(default.ca_dir),
        extra_roots: section
            .list("extra_roots", path)
            .unwrap_or(default.extra_roots),
    }
}

fn hosts(root: &mut Section<'_>, mut hosts: Hosts) -> Hosts {
    let mut seen = BTreeSet::new();
    let protocols: Vec<_> = Protocol::all()
        .map(|protocol| (protocol.name(), protocol))
        .collect();
    root.sections("hosts", |section| {
        let name = section.required("host", text);
        let protocol = section.required("protocol", choice(&protocols));
        let base_path = section.get("base_path", text).unwrap_or_default();
        let ranges = section.list("ranges", cidr);
        let paths = paths(section);
        let (Some(name), Some(protocol)) = (name, protocol) else {
            return;
        };
        match Host::new(&name, protocol, &base_path) {
            Ok(host) if !seen.insert(host.pattern.clone()) => {
                section.reject(
                    "host",
                    Bad::new("each host once", "remove one of the two [[hosts]]"),
                );
            }
            Ok(mut host) => {
                let built_in = || {
                    hosts
                        .lookup(&host.pattern)
                        .filter(|old| old.pattern == host.pattern)
                };
                host.ranges = ranges
                    .or_else(|| Some(built_in()?.ranges.clone()))
                    .unwrap_or_default();
                host.paths = paths;
                hosts.insert(host);
            }
            Err(error @ crate::hosts::HostError::BasePath) => {
                section.reject(
                    "base_path",
                    Bad::new(error.to_string(), "write only the prefix before /v1"),
                );
            }
            Err(error) => section.reject(
                "host",
                Bad::new(error.to_string(), "write the host's name alone"),
            ),
        }
    });
    hosts
}

const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("DELETE", "DELETE"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
];

/// Paths of a host that are read as those of an endpoint. `GET` and `DELETE` have no body.
fn paths(section: &mut Section<'_>) -> Vec<Extra> {
    let mut paths = Vec::new();
    section.sections("paths", |section| {
        let method = section.required("method", choice(METHODS));
        let path = section.required("path", text);
        let endpoint = section.required("as", endpoint);
        let (Some(method), Some(path), Some(endpoint)) = (method, path, endpoint) else {
            return;
        };
        let route = match method {
            "GET" | "DELETE" => Route::NoBody(endpoint),
            _ => Route::Body(endpoint),
        };
        match Extra::new(method, &path, route) {
            Ok(extra) => paths.push(extra),
            Err(error) => section.reject(
                "path",
                Bad::new(
                    error.to_string(),
                    "write the path behind base_path, without its query",
                ),
            ),
        }
    });
    paths
}

fn mask<'c>(
    section: &mut Section<'_>,
    default: MaskPolicy,
    own: Vec<Custom>,
    analyzed: Vec<Class>,
    classes: &[&'c str],
) -> (MaskPolicy, Vec<&'c str>) {
    let (rules, classes) = rules(section, own, analyzed, classes);
    let mut actions = section.section("classes", |section| {
        section.entries(&classes, choice(ACTIONS))
    });
    // The operator's detectors bring their action along, and a policy is held against it.
    let custom = rules.custom.iter().map(|rule| &rule.class);
    for class in custom.chain(&rules.analyzed) {
        let name = class.name.to_owned();
        actions.entry(name).or_insert(class.action);
    }
    actions.extend(rules.hard.iter().map(|name| (name.clone(), Action::Block)));
    let policy = MaskPolicy {
        classes: actions,
        rules,
        unknown_path: section
            .get("unknown_path", choice(UNKNOWN_PATH))
            .unwrap_or(default.unknown_path),
        side_path: section
            .get("side_path", choice(SIDE_PATH))
            .unwrap_or(default.side_path),
        unreadable: section
            .get("unreadable", choice(UNKNOWN_PATH))
            .unwrap_or(default.unreadable),
        cache: section
            .get("cache", size(0, 1 << 30))
            .unwrap_or(default.cache),
    };
    (policy, classes)
}

fn limits(section: &mut Section<'_>, default: Limits) -> Limits {
    const KIB: usize = 1 << 10;
    const GIB: usize = 1 << 30;
    let time = |seconds| duration(Duration::from_millis(100), Duration::from_secs(seconds));
    Limits {
        request_body: section
            .get("request_body", size(KIB, GIB))
            .unwrap_or(default.request_body),
        response_body: section
            .get("response_body", size(KIB, GIB))
            .unwrap_or(default.response_body),
        header_fields: section
            .get("header_fields", count(10, 10_000))
            .unwrap_or(default.header_fields),
        header_bytes: section
            .get("header_bytes", size(8 * KIB, 1024 * KIB))
            .unwrap_or(default.header_bytes),
        header_timeout: section
            .get("header_timeout", time(300))
            .unwrap_or(default.header_timeout),
        body_timeout: section
            .get("body_timeout", time(3600))
            .unwrap_or(default.body_timeout),
        connect_timeout: section
            .get("connect_timeout", time(300))
            .unwrap_or(default.connect_timeout),
        response_timeout: section
            .get("response_timeout", time(86_400))
            .unwrap_or(default.response_timeout),
        idle_timeout: section
            .get("idle_timeout", time(86_400))
            .unwrap_or(default.idle_timeout),
        connections: section
            .get("connections", count(1, 1_000_000))
            .unwrap_or(default.connections),
    }
}

fn audit(section: &mut Section<'_>) -> Option<Audit> {
    let file = section.required("file", path);
    let on_failure = section.get("on_failure", choice(ON_FAILURE));
    Some(Audit {
        file: file?,
        on_failure: on_failure.unwrap_or(OnFailure::Refuse),
    })
}

fn log(section: &mut Section<'_>, default: Log) -> Log {
    Log {
        format: section
            .get("format", choice(FORMATS))
            .unwrap_or(default.format),
        level: section
            .get("level", choice(LEVELS))
            .unwrap_or(default.level),
    }
}
