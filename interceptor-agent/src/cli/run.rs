//! `interceptor run`.

use std::{path::PathBuf, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};

use super::log;
use crate::{app::Agent, config::Config, sys};

/// Arguments of `interceptor run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration, as `interceptor check` accepts it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(&self.config)?;
        let _flush = log::init(&config.log)?;
        sys::forbid_core_dumps()?;
        sys::raise_descriptor_limit()?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let agent = Agent::start(&config).await?;
                told_to_stop().await?;
                agent.stop().await;
                Ok(ExitCode::SUCCESS)
            })
    }
}

async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    Ok(())
}
