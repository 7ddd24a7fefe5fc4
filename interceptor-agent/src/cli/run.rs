//! `interceptor run`.

use std::{path::PathBuf, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

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
                let mut signals = Signals::new()?;
                let mut agent = Agent::start(&config).await?;
                while signals.next().await == Asked::Reload {
                    tracing::info!("SIGHUP: reading the config again");
                    agent.reload(&self.config).await;
                }
                agent.stop().await;
                Ok(ExitCode::SUCCESS)
            })
    }
}

/// What an operator or a supervisor asks a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT: draining"),
            _ = self.hang_up.recv() => return Asked::Reload,
        }
        Asked::Stop
    }
}
