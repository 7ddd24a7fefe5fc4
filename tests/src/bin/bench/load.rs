//! A load generator is a process of its own, since programs see the cgroup of a process. This is the end that
//! tells it what to do; `worker` is the end that does it. They talk in lines of JSON.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use interceptor_tests::cgroup::Cgroup;
use interceptor_tests::netns::Netns;
use serde::{Deserialize, Serialize};

/// The first argument of a process that is a worker.
pub const WORKER: &str = "--worker";

/// Whom to ask, trusting whom, and what must come back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub address: SocketAddr,
    pub host: String,
    pub roots: PathBuf,
    /// The text of each answer.
    pub text: String,
}

/// One thing to do for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Requests of `length` bytes, one after another on each of `connections`.
    Requests {
        target: Target,
        length: usize,
        connections: usize,
        /// Each on a fresh connection, with a full handshake.
        fresh: bool,
        millis: u64,
    },
    /// Streams, one after another on each of `connections`.
    Streams {
        target: Target,
        connections: usize,
        /// All but the first delta come at once.
        burst: bool,
        millis: u64,
    },
    /// One download.
    Download { target: Target, bytes: u64 },
    /// Connections with a whole handshake, kept until the worker ends.
    Hold { target: Target, count: usize },
    /// Plain connects, each closed at once.
    Connects { address: SocketAddr, count: usize },
}

/// What came of it. Times are in microseconds, and medians but where they say what else.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// Requests, events, bytes or connects.
    pub count: u64,
    pub seconds: f64,
    /// A request, the first delta of a stream, or a connect.
    pub took: f64,
    /// From provider to client, of each delta.
    pub delta: f64,
    /// The same; one in a hundred takes longer.
    pub delta_p99: f64,
}

impl Done {
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// A worker, in its namespace and cgroup; it ends when dropped.
pub struct Load {
    child: Child,
    jobs: ChildStdin,
    done: BufReader<ChildStdout>,
}

impl Load {
    pub fn start(netns: &Netns, cgroup: &Cgroup) -> Result<Self> {
        let mut net = OsString::from("--net=");
        net.push(netns.path());
        let mut child = Command::new("nsenter")
            .arg(net)
            .args(["sh", "-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#])
            .arg(cgroup.path())
            .arg(std::env::current_exe()?)
            .arg(WORKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self {
            jobs: child.stdin.take().context("no pipe to a worker")?,
            done: BufReader::new(child.stdout.take().context("no pipe from a worker")?),
            child,
        })
    }

    pub fn run(&mut self, job: &Job) -> Result<Done> {
        writeln!(self.jobs, "{}", serde_json::to_string(job)?)?;
        let mut line = String::new();
        self.done.read_line(&mut line)?;
        let done: Result<Done, String> = serde_json::from_str(&line)
            .with_context(|| format!("a worker ended, and said {line:?}"))?;
        match done {
            Ok(done) => Ok(done),
            Err(error) => bail!("{error}"),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
