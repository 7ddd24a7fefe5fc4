//! `interceptor ca`: makes the CA that clients are to trust, and shows it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::tls::ca::{CertificateInfo, Description, Options, init, trust_variables};

/// Arguments of `interceptor ca`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a root, and intermediates that can vouch for LLM hosts only
    Init(InitArgs),
    /// Show the CA: validity, fingerprints, names, and how to trust it
    Show(ShowArgs),
}

/// Which CA is meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// Config that names the CA's folder, the hosts and extra roots [default: the built-in ones]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the CA [default: tls.ca_dir]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct InitArgs {
    #[command(flatten)]
    place: Place,
    /// Replace a CA that is there; clients have to trust the new root
    #[arg(long)]
    force: bool,
    /// Life of the root, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    root_days: u32,
    /// Life of the intermediates, in days
    #[arg(long, value_name = "DAYS", default_value_t = 730, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    intermediate_days: u32,
    /// Write the root's key here, to be kept offline [default: it is destroyed]
    #[arg(long, value_name = "FILE")]
    root_key_out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    place: Place,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Init(args) => {
                let (dir, config) = args.place.resolve()?;
                let options = Options {
                    force: args.force,
                    root_days: args.root_days,
                    intermediate_days: args.intermediate_days,
                    root_key_out: args.root_key_out,
                    extra_roots: config.tls.extra_roots,
                };
                init(&dir, &config.hosts.names(), &options)?;
                io::stdout().write_all(shown(&Description::read(&dir)?).as_bytes())?;
            }
            Command::Show(args) => {
                let (dir, _) = args.place.resolve()?;
                let description = Description::read(&dir)?;
                let text = match args.json {
                    true => serde_json::to_string_pretty(&description)? + "\n",
                    false => shown(&description),
                };
                io::stdout().write_all(text.as_bytes())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Place {
    fn resolve(self) -> anyhow::Result<(PathBuf, Config)> {
        let config = self
            .config
            .as_deref()
            .map_or_else(|| Ok(Config::default()), Config::load)?;
        Ok((
            self.dir.unwrap_or_else(|| config.tls.ca_dir.clone()),
            config,
        ))
    }
}

fn shown(ca: &Description) -> String {
    let names = wrapped(&ca.permitted);
    let dir = ca.ca.parent().unwrap_or(&ca.ca);
    let variables: String = trust_variables(dir)
        .iter()
        .map(|(name, file)| format!("  {name}={}\n", file.display()))
        .collect();
    format!(
        "{root}{intermediates}\
        May vouch for these names and what is below them, and for no IP address\n{names}\
        Files\n  {ca}   the root: clients trust this\n  {bundle}   public roots and ours\n  {key}   the agent's key\n\
        \n\
        Trust it for the whole machine (Debian):\n  \
        cp {ca} /usr/local/share/ca-certificates/interceptor.crt && update-ca-certificates\n\
        and, for clients that bring roots of their own, in their environment:\n{variables}\
        Java: keytool -importcert -cacerts -alias interceptor -file {ca}\n\
        For one command, without any of this: interceptor exec -- COMMAND\n",
        root = format_args!(
            "Root\n  subject   {}\n  {}\n  SHA-256   {}\n",
            ca.root.subject,
            validity(&ca.root),
            ca.root.sha256
        ),
        intermediates = intermediates(&ca.intermediates),
        ca = ca.ca.display(),
        bundle = ca.bundle.display(),
        key = ca.key.display(),
    )
}

fn validity(info: &CertificateInfo) -> String {
    let state = if info.valid { "" } else { "   NOT VALID NOW" };
    format!("validity  {} to {}{state}", info.not_before, info.not_after)
}

/// As many as have one validity: where all were made at once, all.
fn intermediates(all: &[CertificateInfo]) -> String {
    let mut validities = BTreeMap::<_, usize>::new();
    for info in all {
        *validities.entry(validity(info)).or_default() += 1;
    }
    let lines = validities
        .iter()
        .map(|(validity, many)| format!("  {validity}   ({many})\n"));
    lines.fold("Intermediates\n".into(), |text, line| text + &line)
}

/// The names, as many in a line as a terminal shows.
fn wrapped(names: &[String]) -> String {
    const WIDTH: usize = 100;
    let mut lines = vec![String::from(" ")];
    for name in names {
        if lines
            .last()
            .is_some_and(|line| line.len() + 1 + name.len() > WIDTH)
        {
            lines.push(String::from(" "));
        }
        if let Some(line) = lines.last_mut() {
            *line += " ";
            *line += name;
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wrapped_and_none_is_lost() {
        let names: Vec<_> = (0..40).map(|n| format!("host{n}.corp.example")).collect();
        let text = wrapped(&names);
        assert!(
            text.lines()
                .all(|line| line.len() <= 100 && line.starts_with("  host")),
            "{text}"
        );
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), names);
    }

    #[test]
    fn a_ca_is_shown_with_its_state_and_how_to_trust_it() {
        let info = |subject: &str, valid| CertificateInfo {
            subject: subject.into(),
            not_before: "2026-01-01T00:00:00Z".into(),
            not_after: "2027-01-01T00:00:00Z".into(),
            valid,
            sha256: "AA:BB".into(),
        };
        let text = shown(&Description {
            root: info("CN=root", true),
            intermediates: vec![
                info("CN=one", true),
                info("CN=two", false),
                info("CN=three", true),
            ],
            permitted: vec!["api.openai.com".into()],
            ca: "/ca/ca.pem".into(),
            bundle: "/ca/bundle.pem".into(),
            key: "/ca/intermediate.key".into(),
        });
        assert_eq!(text.matches("NOT VALID NOW").count(), 1, "{text}");
        for part in [
            "CN=root",
            "AA:BB",
            "Z   (2)\n",
            "NOT VALID NOW   (1)\n",
            "  api.openai.com\n",
            "SSL_CERT_FILE=/ca/bundle.pem",
            "NODE_EXTRA_CA_CERTS=/ca/ca.pem",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
