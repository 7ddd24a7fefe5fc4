//! `interceptor ca`.

use std::process::ExitCode;

/// Arguments of `interceptor ca`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("ca is not part of this build")
    }
}
