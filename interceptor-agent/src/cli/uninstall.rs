//! `interceptor uninstall`.

use std::process::ExitCode;

/// Arguments of `interceptor uninstall`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("uninstall is not part of this build")
    }
}
