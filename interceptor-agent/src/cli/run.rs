//! `interceptor run`.

mod notify;

use std::{
    convert::Infallible,
    os::fd::RawFd,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::log;
use crate::{
    app::{Agent, App, Handover},
    config::Config,
    sys,
};

/// Arguments of `interceptor run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SIGHUP   reads the config again: the exchanges that begin from there on are under the new one
SIGUSR2  starts the program's file anew, as after an upgrade, and hands everything over to it
SIGTERM  lets open exchanges finish and ends; what was steered is refused from there on")]
pub struct Args {
    /// The configuration, as `interceptor check` accepts it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Descriptors of an agent that this one succeeds; only that agent can say which
    #[arg(long, value_name = "LIST", hide = true, value_delimiter = ',')]
    inherit: Vec<RawFd>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let handover = match self.inherit.is_empty() {
            true => Handover::default(),
            false => Handover::inherit(&self.inherit)?,
        };
        sys::bound_heaps();
        // Later it may be another file's name, or none's.
        let program = std::env::current_exe().context("this program's own file")?;
        let config = Config::load(&self.config)?;
        let _flush = log::init(&config.log)?;
        sys::forbid_core_dumps()?;
        sys::raise_descriptor_limit()?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let mut signals = Signals::new()?;
                let mut agent = Agent::start(&config, handover).await?;
                notify::notify("READY=1");
                loop {
                    match signals.next().await {
                        Asked::Reload => agent.reload(&self.config).await,
                        Asked::Upgrade => {
                            let mut successor = Command::new(&program);
                            successor.args(["run", "--config"]);
                            successor.arg(&self.config).arg("--inherit");
                            if hand_over(&mut agent, successor).await {
                                break;
                            }
                        }
                        Asked::Stop => {
                            notify::notify("STOPPING=1");
                            break;
                        }
                    }
                }
                let app = agent.app();
                tokio::select! {
                    () = agent.stop() => Ok(ExitCode::SUCCESS),
                    never = signals.heed_while_draining(&app) => match never {},
                }
            })
    }
}

/// Whether a successor serves now.
async fn hand_over(agent: &mut Agent, successor: Command) -> bool {
    match agent.hand_over(successor).await {
        Ok(pid) => {
            notify::notify(&format!("MAINPID={pid}"));
            tracing::info!(successor = pid, "handed over: draining");
            true
        }
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                next_step = "see what the new agent said above; this one goes on",
                "no successor took over"
            );
            false
        }
    }
}

/// What an operator or a supervisor asks a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
    Upgrade,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    upgrade: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Asked {
        let (asked, said) = tokio::select! {
            _ = self.terminate.recv() => (Asked::Stop, "SIGTERM: draining"),
            _ = self.interrupt.recv() => (Asked::Stop, "SIGINT: draining"),
            _ = self.hang_up.recv() => (Asked::Reload, "SIGHUP: reading the config again"),
            _ = self.upgrade.recv() => (Asked::Upgrade, "SIGUSR2: starting a successor"),
        };
        tracing::info!("{said}");
        asked
    }

    /// An agent that ends can be told to hurry, and to open the audit file anew.
    async fn heed_while_draining(&mut self, app: &App) -> Infallible {
        loop {
            let is_end = tokio::select! {
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hang_up.recv() => false,
                _ = self.upgrade.recv() => continue,
            };
            match is_end {
                true => {
                    tracing::info!(
                        "told to stop while draining: what passes is cut, and exchanges have little time left"
                    );
                    app.drain.hurry();
                }
                false => app.audit.reopen(),
            }
        }
    }
}
