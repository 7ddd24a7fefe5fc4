//! Running other programs, as this user or as root, with errors that say what was run.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::env::{Env, has_program, is_root};

/// A command line under construction.
pub struct Sh {
    argv: Vec<OsString>,
    /// Variables go on the command line after `sudo`, which drops the environment.
    vars: Vec<(OsString, OsString)>,
    dir: Option<OsString>,
    sudo: bool,
}

impl Sh {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            argv: vec![program.as_ref().to_owned()],
            vars: Vec::new(),
            dir: None,
            sudo: false,
        }
    }

    /// The cargo that runs this xtask, in the workspace.
    pub fn cargo(env: &Env) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(&env.workspace)
    }

    /// `program` as root: directly, or through sudo with a line that says why.
    pub fn root(program: impl AsRef<OsStr>, why: &str) -> Result<Self> {
        let mut sh = Self::new(program);
        if !is_root() {
            if !has_program("sudo") {
                bail!("{why}, which needs root: run this as root, or install sudo");
            }
            eprintln!("{why}: running it through sudo");
            sh.sudo = true;
        }
        Ok(sh)
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.argv.push(arg.as_ref().to_owned());
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.argv
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Tells tests, demo and bench where the agent and the Python and Node SDKs are.
    pub fn env_for_tests(self, env: &Env, agent: &Path) -> Self {
        self.env("INTERCEPTOR_BIN", agent)
            .env("INTERCEPTOR_PYTHON", env.venv().join("bin/python"))
            .env("INTERCEPTOR_NODE_MODULES", env.node().join("node_modules"))
    }

    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Runs it with this terminal; a non-zero exit is an error.
    pub fn run(&self) -> Result<()> {
        if self.succeeds()? {
            return Ok(());
        }
        bail!("`{}` failed", self.line())
    }

    /// Becomes it, so that signals from the terminal are its own to handle.
    pub fn exec(&self) -> Result<()> {
        let error = self.command().exec();
        Err(error).with_context(|| format!("can't run `{}`", self.line()))
    }

    /// Runs it with this terminal and says whether it ended well.
    pub fn succeeds(&self) -> Result<bool> {
        let status = self
            .command()
            .status()
            .with_context(|| format!("can't run `{}`", self.line()))?;
        Ok(status.success())
    }

    /// Runs it quietly: its output is shown only if it fails.
    pub fn quiet(&self) -> Result<()> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        bail!(
            "`{}` failed:\n{}",
            self.line(),
            String::from_utf8_lossy(&text).trim_end()
        )
    }

    /// Standard output, with standard error on this terminal.
    pub fn read(&self) -> Result<String> {
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("can't run `{}`", self.line()))?;
        if !output.status.success() {
            bail!("`{}` failed", self.line());
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed no UTF-8", self.line()))
    }

    /// Both outputs and the status, whatever it is.
    pub fn output(&self) -> Result<std::process::Output> {
        self.command()
            .output()
            .with_context(|| format!("can't run `{}`", self.line()))
    }

    fn command(&self) -> Command {
        let mut command = if self.sudo {
            let mut command = Command::new("sudo");
            command.arg("env");
            for (name, value) in &self.vars {
                command.arg([name.as_os_str(), value].join(OsStr::new("=")));
            }
            command.args(&self.argv);
            command
        } else {
            let mut command = Command::new(&self.argv[0]);
            command
                .args(&self.argv[1..])
                .envs(self.vars.iter().map(|(name, value)| (name, value)));
            command
        };
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn line(&self) -> String {
        let words: Vec<_> = self
            .argv
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    }
}
