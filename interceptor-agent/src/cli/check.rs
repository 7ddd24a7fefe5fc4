//! `interceptor check`.

use std::process::ExitCode;

/// Arguments of `interceptor check`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("check is not part of this build")
    }
}
