//! `interceptor exec`.

use std::process::ExitCode;

/// Arguments of `interceptor exec`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("exec is not part of this build")
    }
}
