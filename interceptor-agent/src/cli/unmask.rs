//! `interceptor unmask`.

use std::process::ExitCode;

/// Arguments of `interceptor unmask`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("unmask is not part of this build")
    }
}
