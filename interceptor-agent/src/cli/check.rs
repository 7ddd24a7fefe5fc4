//! `interceptor check`: says what a config means, or everything that is wrong with it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, Endpoint, Listener, OnFailure, Others, Reach, Vault, unreachable};
use crate::mask::Mode;
use crate::mask::detector::{Action, Detectors};
use crate::proxy::Rules;
use crate::steering::choice;
use crate::tls::ca::{Ca, CaError};
use crate::tls::upstream::Roots;
use crate::vault::Keys;

/// Arguments of `interceptor check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The config to check
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(&self.config)?;
        let roots = Roots::load(&config.tls.extra_roots)?;
        writeln!(
            io::stdout(),
            "OK {}\n{}",
            self.config.display(),
            summary(&config, &roots, choice::describe(&config.steering))
        )?;
        let tokens = config.listeners.iter().map(Rules::load);
        let unusable = tokens.filter_map(|rules| Some(rules.err()?.to_string()));
        for warning in policy_warnings(&config)
            .into_iter()
            .chain(config.mask.rules.notes.iter().cloned())
            .chain(ca_warning(&config))
            .chain(vault_warning(&config))
            .chain(unusable)
        {
            eprintln!("warning: {warning}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(config: &Config, roots: &Roots, backend: String) -> String {
    let steering = &config.steering;
    let mode = |mode: Mode| match mode {
        Mode::Enforce => "enforce",
        Mode::ReportOnly => "report-only: NOTHING IS MASKED, findings are counted",
        Mode::DryRun => "dry-run: NOTHING IS MASKED, the whole pipeline runs",
    };
    let policies = config.policies.iter().map(|rule| {
        let decisions = &rule.decisions;
        let loose = decisions.looser_than(&config.decisions());
        let loose = loose
            .map(|key| format!(", looser in {key}"))
            .unwrap_or_default();
        format!("{} ({}{loose})", rule.name, decisions.mode.name())
    });
    let never = ["loopback".to_owned(), "link-local".to_owned()];
    let never = list(
        &[
            &never[..],
            &steering
                .never
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        ]
        .concat(),
    );
    let rows = [
        ("mode", mode(config.mode).to_owned()),
        ("backend", backend),
        ("scope", scope(config)),
        ("cgroup", steering.cgroup.display().to_string()),
        (
            "ports",
            format!(
                "{} (plain HTTP refused on {})",
                list(&steering.ports),
                list(&steering.plain_ports)
            ),
        ),
        ("never", never),
        (
            "hosts",
            format!(
                "{} ({} names)",
                config.hosts.iter().count(),
                config.hosts.names().len()
            ),
        ),
        ("classes", classes(config)),
        ("policies", list(&policies.collect::<Vec<_>>())),
        (
            "roots",
            format!("{} trusted for upstreams", roots.certificates().len()),
        ),
        ("ca", config.tls.ca_dir.display().to_string()),
        ("audit", audit(config)),
        ("vault", vault(config)),
        (
            "admin",
            config
                .admin
                .listen
                .map_or_else(|| "off".to_owned(), |address| address.to_string()),
        ),
        ("listeners", listeners(&config.listeners)),
    ];
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "  {name:<9} {value}");
        text
    })
}

/// What is steered, and from what it is known.
fn scope(config: &Config) -> String {
    let patterns = config.hosts.iter().map(|host| &host.pattern);
    let patterns = patterns.filter(|name| name.contains('*')).count();
    let ranges: usize = config.hosts.iter().map(|host| host.ranges.len()).sum();
    match config.steering.scope {
        Reach::All => Reach::All.as_str().to_owned(),
        known => format!(
            "{}: {ranges} ranges, {} names to resolve, {patterns} patterns; DNS answers seen; others by their first bytes",
            known.as_str(),
            config.hosts.to_resolve().count()
        ),
    }
}

/// Each with what it lets through beside LLM hosts, and who may come.
fn listeners(listeners: &[Listener]) -> String {
    let told = listeners.iter().map(|listener| {
        let hosts = match listener.others {
            Others::Refuse => "LLM hosts only",
            Others::Pass => "other hosts pass",
        };
        let whom = match (&listener.at, &listener.token_file) {
            (_, Some(_)) => "with its token".to_owned(),
            (Endpoint::Path(_), None) => format!("mode {:04o}", listener.mode),
            (Endpoint::Address(_), None) => "every user of this machine".to_owned(),
        };
        format!("{} ({hosts}; {whom})", listener.at)
    });
    list(&told.collect::<Vec<_>>())
}

/// How many classes each action has; those that are not masked by name.
fn classes(config: &Config) -> String {
    let rules = &config.mask.rules;
    let Ok(detectors) = Detectors::new(&config.mask.classes, rules) else {
        return String::new();
    };
    let with = |wanted: Action| -> Vec<&str> {
        let action = |name, default| config.mask.classes.get(name).copied().unwrap_or(default);
        let wanted = |name, default| (action(name, default) == wanted).then_some(name);
        detectors
            .classes()
            .filter_map(|(_, class)| wanted(class.name, class.action))
            .collect()
    };
    let mut text = format!("mask {}", with(Action::Mask).len());
    for (name, action) in [
        ("block", Action::Block),
        ("report", Action::Report),
        ("allow", Action::Allow),
    ] {
        let names = with(action);
        if !names.is_empty() {
            let _ = write!(text, ", {name} {}: {}", names.len(), names.join(" "));
        }
    }
    text
}

fn audit(config: &Config) -> String {
    config.audit.as_ref().map_or_else(
        || "off".to_owned(),
        |audit| match audit.on_failure {
            OnFailure::Refuse => audit.file.display().to_string(),
            OnFailure::Continue => {
                format!("{}; what can't be recorded goes on", audit.file.display())
            }
        },
    )
}

fn vault(config: &Config) -> String {
    let described = |vault: &Vault| {
        let days = vault.retention.as_secs() / 86_400;
        format!("{}, for {days} days", vault.store)
    };
    let vault = config.vault.as_ref();
    vault.map_or_else(|| "off".to_owned(), described)
}

fn vault_warning(config: &Config) -> Option<String> {
    let key = Keys::load(&config.vault.as_ref()?.key_file);
    key.err().map(|error| error.to_string())
}

fn policy_warnings(config: &Config) -> Vec<String> {
    let pairs = unreachable(&config.policies).into_iter();
    let warning = |(name, above): (&str, &str)| {
        format!("the policy `{name}` never holds: `{above}` above it takes all that it matches")
    };
    pairs.map(warning).collect()
}

/// What `interceptor run` would meet; a config can be checked on a machine that has no CA.
fn ca_warning(config: &Config) -> Option<String> {
    match Ca::load(&config.tls.ca_dir) {
        Ok(ca) => {
            let missing = ca.uncovered(&config.hosts.names());
            (!missing.is_empty()).then(|| {
                format!(
                    "the CA was made before these hosts were configured, and connections to them will be refused: {}; \
                     make a new one with `interceptor ca init --force --config FILE`",
                    missing.join(", ")
                )
            })
        }
        Err(CaError::File { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Some(format!(
                "{} is not readable for this user: run as root to check the CA as well",
                path.display()
            ))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn list(items: &[impl ToString]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ca::{Options, init};

    fn config(more: &str) -> Config {
        let dir = std::env::temp_dir().join(format!("interceptor-check-{}", std::process::id()));
        Config::parse(&format!("version = 1\ntls.ca_dir = {dir:?}\n{more}")).unwrap()
    }

    #[test]
    fn the_summary_says_what_the_config_means() {
        let roots = Roots::load(&[]).unwrap();
        let config = config(
            "mode = \"dry-run\"\nsteering.never = [\"10.0.0.0/8\"]\nmask.classes.email = \"allow\"
             \n[[listeners]]\naddress = \"127.0.0.1:15480\"\nothers = \"pass\"\n[[listeners]]\npath = \"/p.sock\"",
        );
        let text = summary(&config, &roots, "auto: ebpf".to_owned());
        for part in [
            "dry-run: NOTHING IS MASKED",
            "link-local, 10.0.0.0/8",
            "allow 3: code_ip email code_email",
            "443 (plain HTTP refused on 80)",
            "scope     all\n",
            "127.0.0.1:15480 (other hosts pass; every user of this machine)",
            "/p.sock (LLM hosts only; mode 0660)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn from_what_addresses_are_known_is_said() {
        let config = config("steering.scope = \"known-hosts\"");
        let said = scope(&config);
        let names = config.hosts.to_resolve().count();
        assert!(names > 80, "regions of patterns are among them: {names}");
        let begin = format!("known-hosts: 2 ranges, {names} names to resolve, ");
        assert!(said.starts_with(&begin), "{said}");
    }

    #[test]
    fn policies_are_told_and_those_that_never_hold_warned_of() {
        let policies = "audit.file = \"/var/log/audit.jsonl\"
            [[policies]]\nname = \"wide\"\nmatch.uid = [1, 2]\nmode = \"dry-run\"
            [[policies]]\nname = \"narrow\"\nmatch = { uid = [2], unit = [\"x.service\"] }
            [[policies]]\nname = \"other\"\nmatch.uid = [3]";
        let config = config(policies);
        let text = summary(&config, &Roots::load(&[]).unwrap(), String::new());
        for part in [
            "wide (dry-run, looser in mode), narrow (enforce), other (enforce)",
            "audit     /var/log/audit.jsonl\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let warnings = policy_warnings(&config);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("`narrow` never holds: `wide`"),
            "{warnings:?}"
        );
    }

    #[test]
    fn the_vault_and_a_key_that_is_missing_are_told() {
        let config = config("[vault]\nkey_file = \"/no/such/key\"\nretention = \"7d\"");
        let text = summary(&config, &Roots::load(&[]).unwrap(), String::new());
        let row = "vault     /var/lib/interceptor/vault, for 7 days\n";
        assert!(text.contains(row), "{text}");
        let warning = vault_warning(&config).unwrap();
        assert!(warning.contains("interceptor vault key"), "{warning}");
    }

    #[test]
    fn the_ca_is_asked_for_and_must_cover_the_hosts() {
        let before = config("");
        let missing = ca_warning(&before).unwrap();
        assert!(missing.contains("interceptor ca init"), "{missing}");
        init(
            &before.tls.ca_dir,
            &before.hosts.names(),
            &Options::default(),
        )
        .unwrap();
        assert_eq!(ca_warning(&before), None);
        let after = config("[[hosts]]\nhost = \"llm.corp.example\"\nprotocol = \"openai\"");
        let uncovered = ca_warning(&after).unwrap();
        std::fs::remove_dir_all(&before.tls.ca_dir).unwrap();
        assert!(
            uncovered.contains("llm.corp.example") && uncovered.contains("--force"),
            "{uncovered}"
        );
    }
}
