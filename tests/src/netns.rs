//! Network namespaces: one for the clients and the agent, one for the provider, a veth pair between them.
//!
//! Addresses are of documentation ranges only: 198.51.100.0/24 and 2001:db8::/32.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::sys;

/// The names that the stub provider answers to, with the last part of their addresses.
pub const HOSTS: [(&str, u8); 9] = [
    ("api.anthropic.com", 11),
    ("api.openai.com", 12),
    ("llm.corp.example", 13),
    ("bedrock-runtime.eu-central-1.amazonaws.com", 14),
    ("generativelanguage.googleapis.com", 21),
    ("api.cohere.com", 22),
    ("corp.openai.azure.com", 23),
    ("aiplatform.googleapis.com", 24),
    ("www.example.com", 50),
];

/// A network namespace, removed when dropped.
pub struct Netns {
    name: String,
}

impl Netns {
    fn add(name: String) -> Result<Self> {
        ip(&["netns", "add", &name])?;
        Ok(Self { name })
    }

    /// The name that `ip netns exec` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The handle that setns and `nsenter --net=` take.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Moves the calling thread in here.
    pub fn enter(&self) -> Result<()> {
        let file = File::open(self.path())
            .with_context(|| format!("can't open {}", self.path().display()))?;
        sys::enter(&file).with_context(|| format!("can't enter namespace {}", self.name))
    }

    /// Runs `work` on a thread in here.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| self.enter().map(|()| work()));
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Takes a container's route for IPv6 away; its loopback and link keep theirs.
    pub fn without_ipv6(&self) -> Result<()> {
        let flush = ["-6", "address", "flush", "dev", "eth0", "scope", "global"];
        ip(&[&["-n", self.name()][..], &flush].concat())
    }

    /// `ip netns exec` shows these names to programs as /etc/hosts, and no resolver.
    fn set_hosts(&self, hosts: &str) -> Result<()> {
        let dir = self.etc();
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("hosts"), hosts)?;
        fs::write(dir.join("resolv.conf"), "# no resolver\n")?;
        Ok(())
    }

    /// What programs in here see as /etc/hosts.
    pub fn hosts_file(&self) -> PathBuf {
        self.etc().join("hosts")
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Best effort: the sweep looks again when the process ends.
        let _ = ip(&["netns", "delete", &self.name]);
        let _ = fs::remove_dir_all(self.etc());
        let _ = fs::remove_dir("/etc/netns");
    }
}

/// Makes the pair: clients, provider.
pub fn pair(run: &str) -> Result<(Netns, Netns)> {
    let clients = Netns::add(format!("ictest-{run}-c"))?;
    let provider = Netns::add(format!("ictest-{run}-u"))?;
    ip(&[
        "-n",
        clients.name(),
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        provider.name(),
    ])?;
    // No duplicate address detection: an address is usable at once.
    batch(
        &clients,
        "link set lo up\nlink set eth0 up\n\
         address add 198.51.100.2/24 dev eth0\naddress add 2001:db8::2/64 dev eth0 nodad\n",
    )?;
    let addresses: String = HOSTS
        .iter()
        .map(|(_, n)| format!("address add 198.51.100.{n}/24 dev eth0\naddress add 2001:db8::{n}/64 dev eth0 nodad\n"))
        .collect();
    batch(
        &provider,
        &format!("link set lo up\nlink set eth0 up\n{addresses}"),
    )?;
    for netns in [&clients, &provider] {
        netns.set_hosts(&names())?;
    }
    Ok((clients, provider))
}

/// A container's namespace, with addresses that end in `number` and a link of its own to the provider's.
pub fn container(run: &str, provider: &Netns, number: u8) -> Result<Netns> {
    let container = isolated(run, number)?;
    let link = format!("c{number}");
    ip(&[
        "-n",
        container.name(),
        "link",
        "add",
        "eth0",
        "type",
        "veth",
        "peer",
        "name",
        &link,
        "netns",
        provider.name(),
    ])?;
    // IPv6 answers for an address only where it is: the provider has its own on this link too.
    let addresses: String = HOSTS
        .iter()
        .map(|(_, n)| format!("address add 2001:db8::{n}/128 dev {link} nodad\n"))
        .collect();
    batch(
        provider,
        &format!(
            "link set {link} up\n{addresses}route add 198.51.100.{number}/32 dev {link}\n\
             route add 2001:db8::{number}/128 dev {link}\n"
        ),
    )?;
    batch(
        &container,
        &format!(
            "link set eth0 up\naddress add 198.51.100.{number}/24 dev eth0\n\
             address add 2001:db8::{number}/64 dev eth0 nodad\n"
        ),
    )?;
    Ok(container)
}

/// A container's namespace with nothing but loopback, as `docker run --network none` makes it.
pub fn isolated(run: &str, number: u8) -> Result<Netns> {
    let container = Netns::add(format!("ictest-{run}-{number}"))?;
    batch(&container, "link set lo up\n")?;
    container.set_hosts(&names())?;
    Ok(container)
}

fn names() -> String {
    let names: String = HOSTS
        .iter()
        .map(|(host, n)| format!("198.51.100.{n} {host}\n2001:db8::{n} {host}\n"))
        .collect();
    format!("127.0.0.1 localhost\n::1 localhost\n{names}")
}

fn batch(netns: &Netns, commands: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-n", netns.name(), "-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no pipe to ip")?
        .write_all(commands.as_bytes())?;
    ensure!(
        child.wait()?.success(),
        "ip failed in {} on:\n{commands}",
        netns.name()
    );
    Ok(())
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .context("can't run ip, of Debian's iproute2")?;
    if !output.status.success() {
        bail!(
            "`ip {}`: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
