//! What is read, and what people are told when they get it wrong (`broken/`: a config and the text for it each).

use std::fs;

use super::*;
use crate::glob::Glob;
use crate::mask::detector::Profile;
use crate::protocol::{self, Protocol, Route, openai, route};

const FULL: &str = r#"
version = 1
mode = "report-only"
[steering]
backend = "ebpf"
scope = "known-hosts"
cgroup = "/user.slice"
ports = [443, 8443]
plain_ports = []
never = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
listen_port = 16000
pin_dir = "/sys/fs/bpf/other"
heartbeat = "500ms"
[tls]
ca_dir = "/etc/interceptor/ca"
extra_roots = ["/etc/ssl/corp.pem"]
[[hosts]]
host = "llm.corp.example"
protocol = "openai"
base_path = "/gateway"
ranges = ["192.0.2.0/24", "2001:db8::/32"]
paths = [{ method = "POST", path = "/v3/{}:run", as = "openai_responses" }, { method = "GET", path = "/v3/runs", as = "openai_object" }]
[[hosts]]
host = "*.llm.corp.example"
protocol = "anthropic"
[mask]
cache = "1MiB"
unknown_path = "report"
side_path = "allow"
unreadable = "report"
profiles = ["us", "eu"]
min_confidence = 0.6
hard_block = ["private_key"]
[mask.confidence]
employee_id = 0.95
[mask.classes]
email = "block"
[[mask.allow]]
value = "noreply@example.com"
[[mask.allow]]
pattern = "test-.*"
classes = ["employee_id"]
[[detectors]]
name = "employee_id"
label = "EMPLOYEE"
pattern = 'EMP-\d{6}'
keywords = ["EMP-"]
entropy = 1.5
action = "report"
confidence = 0.7
[limits]
request_body = "1MiB"
response_body = 4096
header_fields = 50
header_bytes = "16KiB"
header_timeout = 5
body_timeout = "1m"
connect_timeout = "2s"
response_timeout = "1h"
idle_timeout = "90s"
connections = 10
[[policies]]
name = "ci"
match = { uid = [1000, 2000], unit = ["gitlab-runner.service"], cgroup = ["/ci.slice/"], container = ["4f2c*"] }
mode = "dry-run"
unknown_path = "block"
side_path = "block"
unreadable = "block"
hosts = ["API.anthropic.com", "*.openai.azure.com"]
classes.jwt = "allow"
[[policies]]
name = "strict"
match = { image = ["registry.example/*"], pod = ["coder-*"], namespace = ["agents"], comm = ["curl"], command = ["0123456789abcdef"] }
hosts = ["llm.corp.example"]
[audit]
file = "/var/log/interceptor/audit.jsonl"
on_failure = "continue"
[bedrock]
credentials_file = "/etc/interceptor/aws"
profile = "bedrock"
[vault]
key_file = "/etc/interceptor/vault.key"
retention = "7d"
redis = "rediss://agent@cache.corp.example:6380/2"
redis_password_file = "/etc/interceptor/redis"
[admin]
listen = "[::1]:9901"
[log]
format = "json"
level = "debug"
[[listeners]]
address = "192.0.2.7:15480"
token_file = "/etc/interceptor/token"
others = "pass"
[[listeners]]
path = "/run/interceptor/proxy.sock"
mode = "0600"
group = "llm"
[[listeners]]
address = "[::1]:15480"
"#;

#[test]
fn every_key_is_read() {
    let config = Config::parse(FULL).unwrap();
    let seconds = Duration::from_secs;
    let cidr = |addr: &str, prefix| Cidr {
        addr: addr.parse().unwrap(),
        prefix,
    };
    let classes = |pairs: &[(&str, Action)]| {
        let pairs = pairs
            .iter()
            .map(|(name, action)| ((*name).to_owned(), *action));
        pairs.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(config.mode, Mode::ReportOnly);
    assert_eq!(
        config.steering,
        Steering {
            backend: Backend::Ebpf,
            scope: Reach::KnownHosts,
            cgroup: "/user.slice".into(),
            ports: vec![443, 8443],
            plain_ports: vec![],
            never: vec![
                cidr("10.0.0.0", 8),
                cidr("fd00::", 8),
                cidr("192.0.2.1", 32)
            ],
            listen_port: 16000,
            pin_dir: "/sys/fs/bpf/other".into(),
            heartbeat: Duration::from_millis(500),
        }
    );
    let tls = Tls {
        ca_dir: "/etc/interceptor/ca".into(),
        extra_roots: vec!["/etc/ssl/corp.pem".into()],
    };
    assert_eq!(config.tls, tls);
    let host = config.hosts.lookup("llm.corp.example").unwrap();
    assert_eq!(
        (host.protocol, host.base_path.as_str()),
        (Protocol::OpenAi, "/gateway")
    );
    assert_eq!(host.ranges, [cidr("192.0.2.0", 24), cidr("2001:db8::", 32)]);
    let added = |method, path| route(host.protocol, &host.paths, method, path, false);
    assert_eq!(
        added("POST", "/v3/mine:run"),
        Route::Body(&openai::RESPONSES)
    );
    assert_eq!(added("GET", "/v3/runs"), Route::NoBody(&openai::OBJECT));
    assert_eq!(
        config.hosts.lookup("x.llm.corp.example").unwrap().protocol,
        Protocol::Anthropic
    );
    assert!(
        config.hosts.lookup("api.openai.com").is_some(),
        "the built-in hosts stay"
    );
    assert_eq!(
        config.mask.classes,
        classes(&[
            ("email", Action::Block),
            ("employee_id", Action::Report),
            ("private_key", Action::Block)
        ])
    );
    let rules = &config.mask.rules;
    assert_eq!(rules.profiles, [Profile::Us, Profile::Eu]);
    assert_eq!(
        (rules.confidence, rules.class_confidence["employee_id"]),
        (600, 950)
    );
    assert!(rules.hard.contains("private_key"));
    let covers = |at: usize, class, value: &[u8]| rules.allow[at].covers(class, value);
    assert!(covers(0, "email", b"noreply@example.com") && covers(1, "employee_id", b"test-1"));
    assert!(!covers(0, "email", b"x.noreply@example.com") && !covers(1, "email", b"test-1"));
    let [employee] = &rules.custom[..] else {
        panic!("{:?}", rules.custom)
    };
    assert_eq!(
        (employee.class.label, employee.entropy, employee.confidence),
        ("EMPLOYEE", 1500, 700)
    );
    assert_eq!(employee.keywords, ["emp-"]);
    assert_eq!(
        (
            config.mask.unknown_path,
            config.mask.side_path,
            config.mask.unreadable
        ),
        (PathPolicy::Report, PathPolicy::Allow, PathPolicy::Report)
    );
    assert_eq!(config.mask.cache, 1 << 20);
    assert_eq!(
        config.limits,
        Limits {
            request_body: 1 << 20,
            response_body: 4096,
            header_fields: 50,
            header_bytes: 16 << 10,
            header_timeout: seconds(5),
            body_timeout: seconds(60),
            connect_timeout: seconds(2),
            response_timeout: seconds(3600),
            idle_timeout: seconds(90),
            connections: 10,
        }
    );
    assert_eq!(
        config.audit,
        Some(Audit {
            file: "/var/log/interceptor/audit.jsonl".into(),
            on_failure: OnFailure::Continue,
        })
    );
    assert_eq!(
        config.bedrock,
        Some(Bedrock {
            credentials_file: "/etc/interceptor/aws".into(),
            profile: "bedrock".to_owned(),
        })
    );
    assert_eq!(
        config.vault,
        Some(Vault {
            key_file: "/etc/interceptor/vault.key".into(),
            retention: Duration::from_secs(7 * 86_400),
            store: VaultStore::Redis {
                url: "rediss://agent@cache.corp.example:6380/2".to_owned(),
                password_file: Some("/etc/interceptor/redis".into()),
            },
        })
    );
    let [ci, strict] = &config.policies[..] else {
        panic!("{:?}", config.policies)
    };
    let globs = |patterns: &[&str]| Some(patterns.iter().copied().map(Glob::new).collect());
    assert_eq!(ci.name, "ci");
    assert_eq!(
        ci.decisions,
        Decisions {
            mode: Mode::DryRun,
            unknown_path: PathPolicy::Block,
            side_path: PathPolicy::Block,
            unreadable: PathPolicy::Block,
            classes: classes(&[
                ("email", Action::Block),
                ("employee_id", Action::Report),
                ("jwt", Action::Allow),
                ("private_key", Action::Block),
            ]),
            hosts: globs(&["api.anthropic.com", "*.openai.azure.com"]),
        }
    );
    let left_out = Decisions {
        hosts: globs(&["llm.corp.example"]),
        ..config.decisions()
    };
    assert_eq!(strict.decisions, left_out);
    assert_eq!(config.admin.listen, Some("[::1]:9901".parse().unwrap()));
    assert_eq!(
        config.log,
        Log {
            format: LogFormat::Json,
            level: tracing::Level::DEBUG
        }
    );
    let address = |text: &str| Listener::at(Endpoint::Address(text.parse().unwrap()));
    assert_eq!(
        config.listeners,
        [
            Listener {
                token_file: Some("/etc/interceptor/token".into()),
                others: Others::Pass,
                ..address("192.0.2.7:15480")
            },
            Listener {
                mode: 0o600,
                group: Some("llm".to_owned()),
                ..Listener::at(Endpoint::Path("/run/interceptor/proxy.sock".into()))
            },
            address("[::1]:15480"),
        ]
    );
}

#[test]
fn a_version_alone_gives_the_defaults() {
    let (read, default) = (Config::parse("version = 1").unwrap(), Config::default());
    assert_eq!((read.mode, read.steering), (default.mode, default.steering));
    assert_eq!((read.tls, read.mask), (default.tls, default.mask));
    assert_eq!((read.policies, read.audit), (vec![], None));
    assert_eq!(
        (read.limits, read.admin, read.log),
        (default.limits, default.admin, default.log)
    );
    assert_eq!(read.listeners, []);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/interceptor.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/nonexistent/interceptor.toml") && error.contains("--config"),
        "{error}"
    );
}

#[test]
fn broken_configs_are_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/broken");
    let mut seen = 0;
    for file in fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let error = Config::checked(
                "interceptor.toml",
                &fs::read_to_string(&file).unwrap(),
                &["email", "jwt"],
            )
            .expect_err("broken")
            .to_string();
            let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
            assert_eq!(error.trim_end(), expected.trim_end(), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} configs seen");
}

#[test]
fn an_analyzer_is_near_and_brings_its_classes() {
    let analyzer = |url: &str| {
        let text = format!(
            "version = 1\n[analyzer]\nurl = {url:?}\nentities = [\"PERSON\"]\n[mask.classes]\nperson = \"report\""
        );
        Config::parse(&text)
    };
    for (url, path) in [
        ("http://127.0.0.1:5002", "/analyze"),
        ("http://localhost:5002/", "/analyze"),
        ("http://[::1]:443/presidio/", "/presidio/analyze"),
        ("http://192.168.7.1:5002", "/analyze"),
        ("http://[fd00::7]:5002", "/analyze"),
        ("unix:/run/presidio.sock", "/analyze"),
    ] {
        let config = analyzer(url).unwrap();
        assert_eq!(config.mask.classes.get("person"), Some(&Action::Report));
        assert_eq!(config.analyzer.unwrap().at.path(), path, "{url}");
    }
    for url in [
        "http://8.8.8.8:5002",
        "http://[2001:db8::1]:5002",
        "http://[::ffff:8.8.8.8]:5002",
        "http://presidio:5002",
        "http://127.0.0.1",
        "http://127.0.0.1:5002/a?b",
        "http://user@127.0.0.1:5002",
        "https://127.0.0.1:5002",
        "unix:run/presidio.sock",
    ] {
        assert!(analyzer(url).is_err(), "{url}");
    }
    assert!(Config::parse("version = 1\n[mask.classes]\nperson = \"report\"").is_err());
}

#[test]
fn every_endpoint_is_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    let docs = fs::read_to_string(docs).unwrap();
    for endpoint in protocol::Endpoint::all() {
        assert!(
            docs.contains(&format!("`{}`", endpoint.name)),
            "{endpoint:?}"
        );
    }
}

#[test]
fn the_nearest_name_is_found_and_far_ones_are_not() {
    let names = ["mode", "steering", "email"];
    assert_eq!(section::nearest("mod", &names), Some("mode"));
    assert_eq!(section::nearest("steerin", &names), Some("steering"));
    assert_eq!(section::nearest("emial", &names), Some("email"));
    assert_eq!(section::nearest("emails", &names), Some("email"));
    assert_eq!(section::nearest("passport", &names), None);
}
