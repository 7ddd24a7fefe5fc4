//! The command line: one file a command.

pub mod ca;
pub mod check;
pub mod exec;
mod log;
pub mod mask;
pub mod rules;
pub mod run;
pub mod scan;
pub mod status;
pub mod uninstall;
pub mod unmask;
pub mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// No process on this machine sends an LLM provider a byte that your policy says must be masked.
#[derive(Debug, Parser)]
#[command(name = "interceptor", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  interceptor ca init                    make the CA that clients are to trust
  interceptor check --config FILE        say what is wrong with a config, before anything starts
  interceptor exec -- curl https://…     run one command under interception
  interceptor run --config FILE          steer every process below the configured cgroup
  interceptor status --config FILE       say whether that is so now";

#[derive(Debug, Subcommand)]
enum Command {
    /// Steer, mask and unmask for every process below the configured cgroup
    Run(run::Args),
    /// Run one command under interception, trust included
    Exec(exec::Args),
    /// Check a config file and say what is wrong, where, and what is allowed
    Check(check::Args),
    /// Find what would be masked in text from standard input
    Scan(scan::Args),
    /// List what is looked for, or say what of it is found where in a text
    Rules(rules::Args),
    /// Mask a text or a request body from standard input
    Mask(mask::Args),
    /// Put the values back into a masked text or response from standard input
    Unmask(unmask::Args),
    /// Make or show the CA that clients trust
    Ca(ca::Args),
    /// Make the vault's key, say what the vault holds, and remove from it
    Vault(vault::Args),
    /// Say what is enforced now, whether an agent lives, and what to do if not
    Status(status::Args),
    /// Remove every trace of interceptor from the kernel
    Uninstall(uninstall::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> anyhow::Result<ExitCode> {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{}", without_payload(panic.location()))
    }));
    match Cli::parse().command {
        Command::Run(args) => args.run(),
        Command::Exec(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Scan(args) => args.run(),
        Command::Rules(args) => args.run(),
        Command::Mask(args) => args.run(),
        Command::Unmask(args) => args.run(),
        Command::Ca(args) => args.run(),
        Command::Vault(args) => args.run(),
        Command::Status(args) => args.run(),
        Command::Uninstall(args) => args.run(),
    }
}

/// What is told of a panic. Its own message may quote the text that was worked on (slicing a string does), so only the
/// place is said.
fn without_payload(place: Option<&std::panic::Location<'_>>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    format!("interceptor: internal error{place}; nothing was sent. Please report this line")
}

#[cfg(test)]
mod tests {
    use std::panic::{self, Location};

    use super::*;

    #[test]
    fn a_panic_says_its_place_and_never_its_payload() {
        static SAID: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(|panic| {
            if let Ok(mut said) = SAID.lock() {
                *said = without_payload(panic.location());
            }
        }));
        let secret = String::from("é4111111111111111");
        let sliced = panic::catch_unwind(|| secret[1..].len());
        panic::set_hook(earlier);
        assert!(sliced.is_err());
        let said = SAID.lock().unwrap();
        assert!(said.contains("cli.rs") && !said.contains("4111"), "{said}");
        assert!(!without_payload(Some(Location::caller())).is_empty());
    }
}
