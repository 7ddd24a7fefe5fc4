//! The real agent, run in the clients' namespace with a config of its own.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::backend::Backend;
use crate::netns::Netns;
use crate::world::World;

/// Where its /live, /ready and /metrics are, in the clients' namespace.
pub const ADMIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9901);

/// As in a container that was given this capability and no other.
const ONLY_NET_ADMIN: [&str; 5] = [
    "setpriv",
    "--bounding-set",
    "-all,+net_admin",
    "--inh-caps",
    "-all,+net_admin",
];

/// root still, and as powerless as any user.
const NO_CAPABILITY: [&str; 5] = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];

/// A running agent; it is killed when dropped.
pub struct Agent<'w> {
    netns: &'w Netns,
    dir: PathBuf,
    child: Child,
    /// The process that serves since the last upgrade.
    successor: Option<u32>,
}

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// `enforce`, `report-only` or `dry-run`.
    pub mode: &'static str,
    /// Lines below `[steering]`.
    pub steering: String,
    /// Tables of their own, as in `[mask.classes]`.
    pub tables: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: "enforce",
            steering: String::new(),
            tables: String::new(),
        }
    }
}

impl<'w> Agent<'w> {
    /// Makes a CA, starts the agent on the world's cgroup and waits until it is ready.
    pub fn start(world: &'w World, options: &Options) -> Result<Self> {
        let config = Self::prepare(world, options)?;
        let agent = Self::spawn(world, &config)?;
        agent.wait_until_ready()?;
        Ok(agent)
    }

    /// Writes the config, and makes a CA where the world has none. The config's path.
    pub fn prepare(world: &World, options: &Options) -> Result<PathBuf> {
        let config = write_config(world, options)?;
        if !world.dir().join("ca/ca.pem").exists() {
            let made = Command::new(binary()?)
                .args(["ca", "init", "--config"])
                .arg(&config)
                .output()?;
            ensure!(
                made.status.success(),
                "ca init: {}",
                String::from_utf8_lossy(&made.stderr)
            );
        }
        Ok(config)
    }

    /// The agent's program in the clients' namespace, for any of its commands. A file `hosts` in the world's folder is its
    /// /etc/hosts; without one it can resolve nothing of the world's.
    pub fn command(world: &World) -> Result<Command> {
        let mut netns = std::ffi::OsString::from("--net=");
        netns.push(world.clients.path());
        // Not `ip netns exec`, which mounts a /sys of its own over the cgroups.
        let mut command = Command::new("nsenter");
        command.arg(netns);
        if world.resolves {
            let show = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
            command
                .args([
                    "unshare",
                    "--mount",
                    "--propagation",
                    "slave",
                    "sh",
                    "-c",
                    show,
                ])
                .arg(world.clients.hosts_file());
        }
        match world.backend {
            Backend::Ebpf => {}
            Backend::Nftables => _ = command.args(ONLY_NET_ADMIN),
            Backend::Off => _ = command.args(NO_CAPABILITY),
        }
        let hosts = world.dir().join("hosts");
        if hosts.exists() {
            let shown = r#"mount -o bind "$0" /etc/hosts && exec "$@""#;
            command.args(["unshare", "-m", "sh", "-c", shown]);
            command.arg(hosts);
        }
        let docker = world.dir().join("docker/data");
        if docker.exists() {
            // Where the agent looks for it; this machine's own /var/lib stays as it is.
            let shown = r#"mount -t tmpfs none /var/lib && mkdir /var/lib/docker &&
                mount --bind "$0" /var/lib/docker && exec "$@""#;
            command.args(["unshare", "-m", "sh", "-c", shown]);
            command.arg(docker);
        }
        command.arg(binary()?);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Starts the agent on a config and does not wait for it.
    pub fn spawn(world: &'w World, config: &Path) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(world.dir().join("agent.log"))?;
        let child = Self::command(world)?
            .args(["run", "--config"])
            .arg(config)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't run nsenter, of Debian's util-linux")?;
        Ok(Self {
            netns: &world.clients,
            dir: world.dir().to_owned(),
            child,
            successor: None,
        })
    }

    /// Public roots, the provider's CA and ours: what a client is to trust.
    pub fn bundle(&self) -> PathBuf {
        self.dir.join("ca/bundle.pem")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.successor.unwrap_or_else(|| self.child.id())
    }

    /// Its memory in KiB: a line of `/proc/PID/status`, as in `VmRSS` (now) or `VmHWM` (the most it ever had).
    pub fn memory(&self, line: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let value = status
            .lines()
            .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
        number.with_context(|| format!("no {line} in:\n{status}"))
    }

    /// Everything it wrote so far, also what earlier agents of this world did.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("agent.log"))?)
    }

    /// Waits until the log, which is written behind the exchanges, holds this text; false if it does not.
    pub fn logs(&self, text: &str) -> Result<bool> {
        let deadline = Instant::now() + Duration::from_secs(3);
        while !self.log()?.contains(text) {
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(true)
    }

    /// The log's `exchange` events, oldest first, as flat objects.
    pub fn exchanges(&self) -> Result<Vec<Value>> {
        let log = self.log()?;
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(flat);
        Ok(events
            .filter(|event| event["event"] == "exchange" || event["message"] == "exchange")
            .collect())
    }

    /// Waits for the `exchange` events after the first `known`: at least one, written when a response has ended.
    pub fn exchanges_after(&self, known: usize) -> Result<Vec<Value>> {
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            let mut events = self.exchanges()?;
            if events.len() > known {
                return Ok(events.split_off(known));
            }
            ensure!(
                Instant::now() < deadline,
                "the agent logged no exchange:\n{}",
                self.log()?
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// `/metrics` in Prometheus' text format.
    pub fn metrics(&self) -> Result<String> {
        Ok(self.admin("/metrics")?.1)
    }

    /// One admin page: status and body.
    pub fn admin(&self, path: &str) -> Result<(u16, String)> {
        self.netns.run(|| http_get(path))?
    }

    /// Sends a signal by name, as in `STOP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill")
            .args(["-s", name])
            .arg(self.pid().to_string())
            .status()?;
        ensure!(sent.success(), "can't send {name} to the agent");
        Ok(())
    }

    /// Has it read another config, and waits until it did; what it made of it is in its log.
    pub fn reload(&self, world: &World, options: &Options) -> Result<()> {
        let ended = |log: &str| {
            log.matches("\"config reloaded\"").count() + log.matches("was not reloaded").count()
        };
        let before = ended(&self.log()?);
        Self::prepare(world, options)?;
        self.signal("HUP")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while ended(&self.log()?) == before {
            ensure!(Instant::now() < deadline, "no reload:\n{}", self.log()?);
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Has it hand over to a new process, and waits until that serves. The old one drains then, and ends by itself.
    pub fn upgrade(&mut self) -> Result<()> {
        let handed_over = |log: &str| -> Vec<u64> {
            let events = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .map(flat);
            events
                .filter_map(|event| event["successor"].as_u64())
                .collect()
        };
        let before = handed_over(&self.log()?).len();
        self.signal("USR2")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.log()?;
            if let Some(&pid) = handed_over(&log).get(before) {
                self.successor = Some(u32::try_from(pid)?);
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "no successor:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end of the process that was started first.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// SIGKILL: no clean-up of its own.
    pub fn kill(&mut self) -> Result<()> {
        if self.successor.is_some() {
            self.signal("KILL")?;
            while is_alive(self.pid()) {
                thread::sleep(Duration::from_millis(2));
            }
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGKILL of the process that serves alone: what it succeeded may drain on, until this value is dropped.
    pub fn crash(&mut self) -> Result<()> {
        self.signal("KILL")?;
        while is_alive(self.pid()) {
            thread::sleep(Duration::from_millis(2));
        }
        if self.successor.take().is_none() {
            self.child.wait()?;
        }
        Ok(())
    }

    /// Waits until it serves; fails, with its log, where it ends before.
    pub fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            if matches!(self.admin("/ready"), Ok((200, _))) {
                return Ok(());
            }
            let gone = !is_alive(self.pid());
            if gone || Instant::now() > deadline {
                bail!(
                    "the agent {}:\n{}",
                    if gone { "ended" } else { "is not ready" },
                    self.log()?
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.kill();
    }
}

/// Whether the process is there. One that only waits to be reaped is not: it has no socket open any more once all of its
/// threads have ended.
pub fn is_alive(pid: u32) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let ended = stat
        .rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    let threads = fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    !ended || threads > 1
}

/// The agent that xtask names, else the one that cargo left beside this program.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("INTERCEPTOR_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let candidates = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("interceptor"));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .context("no agent is built: run `cargo xtask build`")
}

fn write_config(world: &World, options: &Options) -> Result<PathBuf> {
    let Options {
        mode,
        steering,
        tables,
    } = options;
    let dir = world.dir().display();
    let backend = match world.backend {
        Backend::Ebpf => format!("\"ebpf\"\ncgroup = \"{}\"", world.cgroup.config_path()),
        Backend::Nftables => "\"nftables\"".to_owned(),
        Backend::Off => "\"off\"".to_owned(),
    };
    let config = format!(
        r#"version = 1
mode = "{mode}"
[steering]
backend = {backend}
pin_dir = "{pins}"
{steering}
[tls]
ca_dir = "{dir}/ca"
extra_roots = ["{roots}"]
[admin]
listen = "{ADMIN}"
[log]
format = "json"
level = "info"
[[hosts]]
host = "llm.corp.example"
protocol = "openai"
{tables}
"#,
        pins = world.bpffs().join("interceptor").display(),
        roots = world.upstream.ca_file().display(),
    );
    let path = world.dir().join("interceptor.toml");
    fs::write(&path, config)?;
    Ok(path)
}

/// Formats put an event's fields in an object of their own or not.
fn flat(mut event: Value) -> Value {
    let fields = event.get_mut("fields").map(Value::take);
    if let (Some(Value::Object(fields)), Some(outer)) = (fields, event.as_object_mut()) {
        outer.extend(fields);
    }
    event
}

fn http_get(path: &str) -> Result<(u16, String)> {
    let timeout = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&ADMIN, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("no status line")?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Ok((status, body))
}
