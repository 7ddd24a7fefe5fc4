//! `interceptor exec`: one command under interception, trust included.

mod folder;
mod proxied;
mod session;
mod steered;

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitCode, ExitStatus},
};

use tokio::{
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
};

use super::log;
use crate::{config::Config, sys};
use session::{Session, Via};

pub(super) use steered::sweep;

/// Arguments of `interceptor exec`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --config the built-in policy is used, with a CA of its own that is gone with the command.

Via a proxy only programs that follow HTTPS_PROXY are masked. Others that can be told a base URL are led there by hand:
  interceptor exec -- sh -c 'ANTHROPIC_BASE_URL=$INTERCEPTOR_URL/api.anthropic.com exec COMMAND'")]
pub struct Args {
    /// The configuration; its cgroup, ports, listeners, pin folder and admin address are replaced by the command's own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the command's connections come to the agent
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Via::Auto)]
    via: Via,
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
        // Of the agent alone: what the command may do is set anew when it is run.
        sys::forbid_core_dumps()?;
        let descriptors = sys::raise_descriptor_limit()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            // Before there is anything that a signal could leave behind.
            let mut signals = Signals::new()?;
            let own_ca = self.config.is_none();
            let steered = match self.via {
                Via::Proxy => None,
                Via::Auto | Via::Ebpf => Some(Session::steered(config.clone(), own_ca).await),
            };
            let session = match steered {
                // The kernel breaks its look at the programs off for a signal.
                Some(Err(_)) if signals.terminated().await => return Ok(ExitCode::from(143)),
                Some(Err(why)) if self.via == Via::Auto && session::is_of_this_place(&why) => {
                    session::tell(&why);
                    Session::proxied(config, own_ca).await?
                }
                Some(begun) => begun?,
                None => Session::proxied(config, own_ca).await?,
            };
            let command = session.command(&self.command, descriptors)?;
            let code = match Command::from(command).spawn() {
                Ok(mut child) => exit_code(signals.wait(&mut child).await?),
                Err(error) => not_started(&self.command[0], &error),
            };
            session.end().await;
            Ok(code)
        })
    }
}

/// What would end us: what comes from the terminal reaches the command by itself, a SIGTERM is passed on.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Whether a SIGTERM came.
    async fn terminated(&mut self) -> bool {
        let soon = std::time::Duration::from_millis(20);
        let told = tokio::time::timeout(soon, self.terminate.recv());
        told.await.is_ok()
    }

    async fn wait(&mut self, child: &mut Child) -> anyhow::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return Ok(status?),
                _ = self.interrupt.recv() => {}
                _ = self.quit.recv() => {}
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

/// 127 for a command that isn't there, 126 for one that can't be run, as shells have it.
fn not_started(program: &OsStr, error: &io::Error) -> ExitCode {
    eprintln!("interceptor: {}: {error}", program.to_string_lossy());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    })
}
