//! `interceptor mask`.

use std::process::ExitCode;

/// Arguments of `interceptor mask`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("mask is not part of this build")
    }
}
