//! `interceptor exec`: one command under interception, trust included.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
};

use anyhow::Context as _;
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use super::log;
use crate::{
    app::Agent,
    config::Config,
    steering::{
        cgroup::{self, Cgroup},
        ebpf,
    },
    sys,
    tls::ca,
};

/// Where a session's own CA lives while its command runs.
const SESSIONS: &str = "/run/interceptor";

/// Arguments of `interceptor exec`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --config the built-in policy is used, with a CA of its own that is gone with the command."
)]
pub struct Args {
    /// The configuration; its cgroup, port and pin folder are replaced by ones of this command's own
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
        log::init(&config.log);
        sys::raise_descriptor_limit()?;
        let session = Session::new(config, self.config.is_none())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let status = runtime.block_on(session.run(&self.command))?;
        Ok(exit_code(status))
    }
}

/// What one command needs, removed when it is dropped.
struct Session {
    config: Config,
    cgroup: Option<Cgroup>,
    own_ca: Option<PathBuf>,
}

impl Session {
    fn new(mut config: Config, own_ca: bool) -> anyhow::Result<Self> {
        let name = format!("exec-{}", std::process::id());
        config.steering.pin_dir.push(&name);
        config.steering.listen_port = 0;
        config.admin.listen = None;
        let mut session = Self {
            config,
            cgroup: None,
            own_ca: None,
        };
        if own_ca {
            let folder = Path::new(SESSIONS).join(&name);
            session.own_ca = Some(folder.clone());
            session.config.tls.ca_dir = folder.join("ca");
            let names = session.config.hosts.names();
            ca::init(&session.config.tls.ca_dir, &names, &ca::Options::default())?;
        }
        let below = cgroup::own()?.join(format!("interceptor-{name}"));
        session.cgroup =
            Some(Cgroup::create(&below).context("`interceptor exec` needs root: try sudo")?);
        Ok(session)
    }

    async fn run(&self, command: &[OsString]) -> anyhow::Result<ExitStatus> {
        let Some(cgroup) = &self.cgroup else {
            anyhow::bail!("the session has no cgroup")
        };
        let agent = Agent::start(&self.config, cgroup).await?;
        let mut child = self.spawn(command, cgroup)?;
        let status = wait(&mut child).await?;
        agent.stop().await;
        Ok(status)
    }

    fn spawn(&self, command: &[OsString], cgroup: &Cgroup) -> anyhow::Result<Child> {
        let Some((program, arguments)) = command.split_first() else {
            anyhow::bail!("no command was given")
        };
        let mut child = std::process::Command::new(program);
        child
            .args(arguments)
            .envs(ca::trust_variables(&self.config.tls.ca_dir));
        sys::join_before_exec(&mut child, cgroup.procs()?);
        Command::from(child)
            .spawn()
            .with_context(|| program.to_string_lossy().into_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Processes the command left behind would run on without an agent: they end with it.
        if let Some(Err(error)) = self.cgroup.take().map(Cgroup::kill_and_remove) {
            eprintln!("interceptor: {error}");
        }
        if let Err(error) = ebpf::uninstall(&self.config.steering.pin_dir) {
            eprintln!("interceptor: {error}");
        }
        if let Some(folder) = &self.own_ca
            && let Err(error) = fs::remove_dir_all(folder)
        {
            eprintln!("interceptor: {}: {error}", folder.display());
        }
    }
}

/// Waits for the command. An interrupt from the terminal reaches it by itself; a SIGTERM is passed on.
async fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                if let Some(pid) = child.id() {
                    sys::terminate(pid)?;
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
