//! Real clients, run as themselves in the clients' namespace and the steered cgroup.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::netns::Netns;

/// How to run clients: where, trusting whom, as whom.
#[derive(Clone)]
pub struct Client<'w> {
    netns: &'w Netns,
    cgroup: Option<&'w Cgroup>,
    roots: PathBuf,
    uid: Option<u32>,
    vars: Vec<(OsString, OsString)>,
    timeout: Duration,
}

/// What a client did.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// The process that made the connection.
    pub pid: u32,
}

impl<'w> Client<'w> {
    pub(crate) fn new(netns: &'w Netns, cgroup: Option<&'w Cgroup>, roots: &Path) -> Self {
        let roots = roots.to_owned();
        Self {
            netns,
            cgroup,
            roots,
            uid: None,
            vars: Vec::new(),
            timeout: Duration::from_secs(20),
        }
    }

    /// Runs as this user rather than root.
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Adds a variable to the client's environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.push((name.into(), value.as_ref().into()));
        self
    }

    /// Kills the client after this long; 20 s unless told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// curl, quiet but for errors, with no configuration of this machine's user.
    pub fn curl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Ran> {
        let mut argv: Vec<OsString> =
            vec!["--disable".into(), "--silent".into(), "--show-error".into()];
        argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self.run("curl", argv)
    }

    /// curl's answer: its status, its body, and what else it did.
    ///
    /// # Errors
    /// There was none.
    pub fn answer<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<(u16, String, Ran)> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let status = ["--write-out", "\n%{http_code}"].map(OsString::from);
        let ran = self.curl(args.chain(status))?;
        let (body, status) = ran
            .stdout
            .rsplit_once('\n')
            .with_context(|| format!("{ran:?}"))?;
        Ok((status.parse()?, body.to_owned(), ran))
    }

    /// A script of `tests/clients/` with one JSON argument: the JSON document that it prints.
    pub fn python(&self, script: &str, argument: &Value) -> Result<Value> {
        Ok(self.python_process(script, argument)?.1)
    }

    /// The same, with the process that it was.
    pub fn python_process(&self, script: &str, argument: &Value) -> Result<(Ran, Value)> {
        let path = scripts().join(script);
        let ran = self.run(python(), [path.as_os_str(), argument.to_string().as_ref()])?;
        let printed = printed(script, &ran)?;
        Ok((ran, printed))
    }

    /// A script of `tests/clients/` for Node, with one JSON argument: the JSON document that it prints.
    pub fn node(&self, script: &str, argument: &Value) -> Result<Value> {
        let path = scripts().join(script);
        let client = self.clone().env("NODE_PATH", node_modules());
        let ran = client.run("node", [path.as_os_str(), argument.to_string().as_ref()])?;
        printed(script, &ran)
    }

    /// Starts a script of `tests/clients/` with one JSON argument.
    pub fn spawn_python(&self, script: &str, argument: &Value) -> Result<Child> {
        let path = scripts().join(script);
        self.spawn(python(), [path.as_os_str(), argument.to_string().as_ref()])
    }

    /// Python code, which may import `raw` of `tests/clients/`: what it printed. An exception is an error.
    pub fn code(&self, code: &str) -> Result<String> {
        self.code_with(code, [""; 0])
    }

    /// The same with arguments, which are in `sys.argv[1:]`.
    pub fn code_with<S: AsRef<OsStr>>(
        &self,
        code: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String> {
        let mut argv: Vec<OsString> = vec!["-c".into(), code.into()];
        argv.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let ran = self
            .clone()
            .env("PYTHONPATH", scripts())
            .run(python(), argv)?;
        ensure!(ran.status.success(), "{}\nof:\n{code}", ran.stderr);
        Ok(ran.stdout)
    }

    /// Runs a program to its end.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Ran> {
        let mut child = self.spawn(program, args)?;
        let pid = child.id();
        let stdout = read_all(child.stdout.take());
        let stderr = read_all(child.stderr.take());
        let Some(status) = wait(&mut child, self.timeout)? else {
            child.kill()?;
            child.wait()?;
            bail!(
                "a client was not done after {:?}; it said: {}",
                self.timeout,
                text(stderr)
            );
        };
        Ok(Ran {
            status,
            stdout: text(stdout),
            stderr: text(stderr),
            pid,
        })
    }

    /// Starts a program with its outputs piped. Its process id stays the same from here to the connection.
    pub fn spawn<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Child> {
        let mut command = Command::new("sh");
        let enter = ["ip", "netns", "exec", self.netns.name()];
        match self.cgroup {
            // In the cgroup before the client's first instruction, and in no other namespace while it is in there: the
            // agent would listen in that one, too. `ip` hides cgroups by a /sys of its own.
            Some(cgroup) => command
                .args(["-c", r#"exec 9> "$0/cgroup.procs" && exec "$@""#])
                .arg(cgroup.path())
                .args(enter)
                .args(["sh", "-c", r#"echo $$ >&9 && exec "$@" 9>&-"#, "sh"]),
            None => command.args(["-c", r#"exec "$@""#, "sh"]).args(enter),
        };
        if let Some(uid) = self.uid {
            command
                .args(["setpriv", "--clear-groups"])
                .args([format!("--reuid={uid}"), format!("--regid={uid}")]);
        }
        command.arg(&program).args(args);
        for name in [
            "SSL_CERT_FILE",
            "CURL_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "NODE_EXTRA_CA_CERTS",
        ] {
            command.env(name, &self.roots);
        }
        for name in [
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", program.as_ref().display()))
    }
}

/// The document that a script printed, if it ended well.
fn printed(script: &str, ran: &Ran) -> Result<Value> {
    if !ran.status.success() {
        bail!("{script} ended with {}:\n{}", ran.status, ran.stderr);
    }
    serde_json::from_str(&ran.stdout).with_context(|| format!("{script} printed {:?}", ran.stdout))
}

/// The interpreter that has the SDKs: where `cargo xtask` says, or where its setup puts it.
fn python() -> PathBuf {
    installed("INTERCEPTOR_PYTHON", "python/bin/python")
}

fn node_modules() -> PathBuf {
    installed("INTERCEPTOR_NODE_MODULES", "node/node_modules")
}

/// Where a variable says, or below the cache.
fn installed(variable: &str, path: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    cache.unwrap_or_default().join("interceptor").join(path)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before a broken pipe is what there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(reader: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}

fn wait(child: &mut Child, timeout: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
