//! `interceptor scan`.

use std::process::ExitCode;

/// Arguments of `interceptor scan`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("scan is not part of this build")
    }
}
