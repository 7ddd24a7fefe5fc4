//! Developer commands: `cargo xtask setup | build | demo | test | bench | churn | fuzz | ci | tidy`.
//!
//! `setup` brings what is missing and is run by the others; `ci` is exactly what CI runs.

mod ci;
mod env;
mod fuzz;
mod kernel;
mod setup;
mod shell;
mod test;
mod tidy;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::env::Env;
use crate::shell::Sh;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of interceptor")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing: rust-src, bpf-linker, Debian packages, Python and Node clients
    Setup,
    /// Leave the release binary at target/release/interceptor
    Build,
    /// Show real clients masked and unmasked through the real kernel path (needs root or sudo)
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run unit tests, and the end-to-end tests as root
    Test {
        /// Run the steering suite on a stock Debian kernel, emulated; needs no root
        #[arg(long, value_name = "VERSION", value_parser = kernel::VERSIONS)]
        kernel: Option<String>,
        /// Run only tests whose name contains this, as `cargo test` does
        filter: Option<String>,
        /// Passed on to each test binary
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Measure the agent against a direct connection and HAProxy (needs root or sudo); `engine` and
    /// `detection` need no root
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Calls, containers, and an agent that is killed, stopped and replaced, all at random (needs root or sudo)
    Churn {
        /// `--minutes N` (10), `--seed N`, `--no-docker`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run fuzz targets: all of them one by one, or the one that is named
    Fuzz {
        /// A file in `fuzz/fuzz_targets`
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// Build the targets and run none
        #[arg(long)]
        build: bool,
    },
    /// Everything CI runs: fmt, clippy, deny, tidy, test
    Ci,
    /// Check the house rules that no compiler checks
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let env = Env::discover()?;
    match command {
        Command::Setup => setup::run(&env),
        Command::Build => {
            setup::run(&env)?;
            build_release(&env)
        }
        Command::Demo { args } => as_root(&env, "demo", args),
        Command::Test {
            kernel,
            filter,
            args,
        } => {
            setup::run(&env)?;
            match kernel {
                Some(version) => test::run_emulated(&env, &version, filter.as_deref(), &args),
                None => test::run(&env, filter.as_deref(), &args),
            }
        }
        Command::Bench { args }
            if args
                .first()
                .is_some_and(|first| first == "detection" || first == "engine") =>
        {
            build_release(&env)?;
            Sh::new(env.target().join("release/bench"))
                .args(args)
                .exec()
        }
        Command::Bench { args } => as_root(&env, "bench", args),
        Command::Churn { args } => as_root(&env, "churn", args),
        Command::Fuzz { build: true, .. } => fuzz::check(&env),
        Command::Fuzz {
            target, minutes, ..
        } => fuzz::run(&env, target.as_deref(), minutes),
        Command::Ci => ci::run(&env),
        Command::Tidy => tidy::run(&env.workspace),
    }
}

/// Everything at once: built one by one, dependencies would be built again for each one's set of features.
fn build_release(env: &Env) -> Result<()> {
    Sh::cargo(env).args(["build", "--release", "--bins"]).run()
}

/// Builds as whoever calls, and runs a program of the tests package as root.
fn as_root(env: &Env, program: &str, args: Vec<OsString>) -> Result<()> {
    setup::run(env)?;
    build_release(env)?;
    let binary = env.target().join("release").join(program);
    Sh::root(
        binary,
        &format!("{program} makes network namespaces and loads eBPF programs"),
    )?
    .env_for_tests(env, &env.release_agent())
    .args(args)
    .exec()
}
