//! The command line: one file a command.

pub mod ca;
pub mod check;
pub mod exec;
mod log;
pub mod mask;
pub mod run;
pub mod scan;
pub mod uninstall;
pub mod unmask;

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
  interceptor run --config FILE          steer every process below the configured cgroup";

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
    /// Mask a text or a request body from standard input
    Mask(mask::Args),
    /// Put the values back into a masked text or response from standard input
    Unmask(unmask::Args),
    /// Make or show the CA that clients trust
    Ca(ca::Args),
    /// Remove every trace of interceptor from the kernel
    Uninstall(uninstall::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => args.run(),
        Command::Exec(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Scan(args) => args.run(),
        Command::Mask(args) => args.run(),
        Command::Unmask(args) => args.run(),
        Command::Ca(args) => args.run(),
        Command::Uninstall(args) => args.run(),
    }
}
