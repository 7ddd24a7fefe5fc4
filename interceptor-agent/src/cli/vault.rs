//! `interceptor vault`: makes the vault's key, says what the vault holds, and removes from it. Never shows a value.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;

use crate::{
    config::{self, Config},
    vault::{Desk, Keys, Status},
};

/// Arguments of `interceptor vault`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Providers keep what is sent to some of their paths: stored responses, conversations, threads,
files, batches. What they give back later has tokens of requests that are long over. The vault
keeps what those tokens stand for, sealed.

First steps:
  interceptor vault key /etc/interceptor/vault.key    make its key
  [vault]                                             add to the config, then restart the agent
  key_file = \"/etc/interceptor/vault.key\"
  interceptor vault status --config FILE              say what it holds

Without the key nobody reads the vault again, you neither: keep a copy of it, apart from copies
of the vault.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key file that only you can read; one that is there is never overwritten
    Key(KeyArgs),
    /// Say whether the store answers and the key fits, how many entries there are, how old and how large
    Status(StatusArgs),
    /// Remove what has expired (the agent does so every ten minutes), or everything
    Purge(PurgeArgs),
    /// Remove what one token stands for: it is never put back again
    Forget(ForgetArgs),
}

#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// Where to write it [default: vault.key_file of the config]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Config that names the file
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

/// Which vault is meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// Config with the [vault]
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    place: Place,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct PurgeArgs {
    #[command(flatten)]
    place: Place,
    /// Only what has expired; this is the default
    #[arg(long, conflicts_with = "all")]
    expired: bool,
    /// Everything: no token that a provider kept is ever put back again
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct ForgetArgs {
    #[command(flatten)]
    place: Place,
    /// As a provider has it, like EC2_123456789012345678
    #[arg(value_name = "TOKEN")]
    token: String,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Key(args) => args.run(),
            Command::Status(args) => args.run(),
            Command::Purge(args) => args.run(),
            Command::Forget(args) => args.run(),
        }
    }
}

impl KeyArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let file = match (self.file, self.config) {
            (Some(file), _) => file,
            (None, Some(config)) => configured(&config)?.1.key_file,
            (None, None) => bail!("where to? Name a file, or --config FILE with a vault.key_file"),
        };
        Keys::make(&file)?;
        println!(
            "made {}: keep a copy, apart from copies of the vault",
            file.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Place {
    fn open(&self) -> anyhow::Result<(Config, Desk)> {
        let (config, vault) = configured(&self.config)?;
        Ok((config, Desk::open(&vault)?))
    }
}

fn configured(file: &Path) -> anyhow::Result<(Config, config::Vault)> {
    let config = Config::load(file)?;
    let vault = config.vault.clone();
    let vault = vault.with_context(|| format!("{} has no [vault]", file.display()))?;
    Ok((config, vault))
}

/// What `status --json` prints.
#[derive(Serialize)]
struct Shown {
    store: String,
    retention_seconds: u64,
    usable: bool,
    /// Why it is not.
    error: Option<String>,
    #[serde(flatten)]
    status: Option<Status>,
}

impl StatusArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (_, vault) = configured(&self.place.config)?;
        let status = Desk::open(&vault).and_then(|mut desk| Ok(desk.status()?));
        let shown = Shown {
            store: vault.store.to_string(),
            retention_seconds: vault.retention.as_secs(),
            usable: status.is_ok(),
            error: status.as_ref().err().map(ToString::to_string),
            status: status.ok(),
        };
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&shown)?),
            false => print!("{}", text(&shown)),
        }
        Ok(match shown.usable {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

fn text(shown: &Shown) -> String {
    let mut lines = vec![format!("store      {}", shown.store)];
    if let Some(error) = &shown.error {
        lines.push(format!("unusable   {error}"));
        lines.push("           requests to paths that providers keep are refused".to_owned());
    }
    if let Some(status) = &shown.status {
        let oldest = status.oldest.map_or("none".to_owned(), |written| {
            let age = crate::vault::age(written);
            format!("last written {} h ago", age / 3600)
        });
        lines.push("usable     the store answers, and the key fits".to_owned());
        lines.push(format!("entries    {}", status.entries));
        lines.push(format!("expired    {}, not yet purged", status.expired));
        lines.push(format!("oldest     {oldest}"));
        lines.push(format!("size       {} KiB", status.bytes.div_ceil(1024)));
    }
    let hours = shown.retention_seconds / 3600;
    lines.push(format!("retention  {hours} h"));
    lines.join("\n") + "\n"
}

impl PurgeArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (_, mut desk) = self.place.open()?;
        let removed = desk.purge(self.all)?;
        println!("removed {removed} entries");
        Ok(ExitCode::SUCCESS)
    }
}

impl ForgetArgs {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (config, mut desk) = self.place.open()?;
        let policies = config.policies.iter().map(|rule| Some(rule.name.as_str()));
        let removed = desk.forget(&self.token, std::iter::once(None).chain(policies))?;
        match removed {
            0 => println!("nothing was kept for this token under any policy of the config"),
            removed => println!("removed, under {removed} of the config's policies"),
        }
        Ok(match removed {
            0 => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_says_what_holds_and_what_does_not() {
        let mut shown = Shown {
            store: "/vault".to_owned(),
            retention_seconds: 7200,
            usable: true,
            error: None,
            status: Some(Status {
                entries: 3,
                expired: 1,
                oldest: None,
                bytes: 5000,
            }),
        };
        let lines = text(&shown);
        for line in [
            "entries    3",
            "expired    1,",
            "size       5 KiB",
            "retention  2 h",
        ] {
            assert!(lines.contains(line), "{lines}");
        }
        (shown.usable, shown.status) = (false, None);
        shown.error = Some("it is gone".to_owned());
        let lines = text(&shown);
        assert!(
            lines.contains("unusable   it is gone") && !lines.contains("usable     "),
            "{lines}"
        );
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["usable"], false);
    }
}
