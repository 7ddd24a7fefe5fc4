//! `interceptor run`.

use std::process::ExitCode;

/// Arguments of `interceptor run`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("run is not part of this build")
    }
}
