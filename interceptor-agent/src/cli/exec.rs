//! `interceptor exec`: one command under interception, trust included.

mod session;

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitCode, ExitStatus},
};

use anyhow::Context as _;
use tokio::{
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
};

use super::log;
use crate::{app::Agent, config::Config, sys, tls::ca};
use session::Session;

pub(super) use session::sweep;

/// Arguments of `interceptor exec`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --config the built-in policy is used, with a CA of its own that is gone with the command."
)]
pub struct Args {
    /// The configuration; its cgroup, port, pin folder and admin address are replaced by the command's own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::parse("version = 1\n[log]\nlevel = \"warn\"")?,
        };
        let _flush = log::init(&config.log)?;
        sys::raise_descriptor_limit()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let status = runtime.block_on(async {
            // Before there is anything that a signal could leave behind.
            let signals = Signals::new()?;
            let session = Session::begin(config, self.config.is_none())?;
            run(&session, &self.command, signals).await
        })?;
        Ok(exit_code(status))
    }
}

async fn run(
    session: &Session,
    command: &[OsString],
    mut signals: Signals,
) -> anyhow::Result<ExitStatus> {
    let agent = Agent::start(session.config(), session.cgroup()).await?;
    let mut child = spawn(session, command)?;
    let status = signals.wait(&mut child).await?;
    agent.stop().await;
    Ok(status)
}

fn spawn(session: &Session, command: &[OsString]) -> anyhow::Result<Child> {
    let (program, arguments) = command.split_first().context("no command was given")?;
    let mut child = std::process::Command::new(program);
    child
        .args(arguments)
        .envs(ca::trust_variables(&session.config().tls.ca_dir));
    sys::join_before_exec(&mut child, session.cgroup().procs()?);
    Command::from(child)
        .spawn()
        .with_context(|| program.to_string_lossy().into_owned())
}

/// What would end us: an interrupt from the terminal reaches the command by itself, a SIGTERM is passed on.
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

    async fn wait(&mut self, child: &mut Child) -> anyhow::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return Ok(status?),
                _ = self.interrupt.recv() => {}
                _ = self.hang_up.recv() => {}
                _ = self.terminate.recv() => {
                    if let Some(pid) = child.id() {
                        sys::terminate(pid)?;
                    }
                }
            }
        }
    }
}

/// The command's own code; 128 + the signal's number where one ended it, as shells have it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
