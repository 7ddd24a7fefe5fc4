//! A Docker Engine of a world's own: daemon and containers below the steered cgroup, networks in the clients' namespace,
//! and an image of busybox and curl. No registry is asked.

mod image;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::World;
use crate::cgroup::{self, Cgroup};
use crate::netns::HOSTS;

/// The image that [`Docker::start`] imports.
const IMAGE: &str = "interceptor-test";

/// A running daemon; it, its containers and their networks are gone when it is dropped.
pub struct Docker<'w> {
    world: &'w World,
    dir: PathBuf,
    daemon: Child,
    /// Apart from one another: a v2 cgroup with children that are limited has no processes of its own.
    daemons: Cgroup,
    containers: Cgroup,
}

impl<'w> Docker<'w> {
    /// Starts a daemon and imports the image.
    pub fn start(world: &'w World) -> Result<Self> {
        let dir = world.dir().join("docker");
        fs::create_dir(&dir)?;
        let daemons = world.cgroup.child("docker")?;
        let containers = world.cgroup.child("containers")?;
        let log = File::create(dir.join("log"))?;
        fs::write(dir.join("daemon.json"), "{}")?;
        let mut daemon = Command::new("nsenter");
        daemon
            .arg(format!("--net={}", world.clients.path().display()))
            .args(["sh", "-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#])
            .arg(daemons.path())
            // What is in /etc/docker is this machine's.
            .args(["dockerd", "--config-file"])
            .arg(dir.join("daemon.json"))
            .arg(format!("--data-root={}", dir.join("data").display()))
            .arg(format!("--exec-root={}", dir.join("exec").display()))
            .arg(format!("--pidfile={}", dir.join("pid").display()))
            .arg(format!("--host={}", socket(&dir)))
            .arg(format!("--cgroup-parent={}", containers.config_path()))
            // Below a parent of ours; systemd would put them elsewhere.
            .arg("--exec-opt=native.cgroupdriver=cgroupfs")
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let daemon = daemon.spawn().context("can't start dockerd")?;
        let docker = Self {
            world,
            dir,
            daemon,
            daemons,
            containers,
        };
        docker.wait_until_ready()?;
        let archive = image::archive(&docker.dir)?;
        docker.run([OsStr::new("import"), archive.as_os_str(), IMAGE.as_ref()])?;
        Ok(docker)
    }

    /// Makes a bridge network, which the provider has a route back to. `subnet` is one of the harness' addresses.
    pub fn network(&self, name: &str, subnet: &str) -> Result<()> {
        self.run(["network", "create", "--subnet", subnet, name])?;
        let routed = Command::new("ip")
            .args(["-n", self.world.provider.name(), "route", "add", subnet])
            .args(["via", "198.51.100.2"])
            .status()?;
        ensure!(routed.success(), "no route back to {subnet}");
        Ok(())
    }

    /// Starts a container that does nothing for now: its id.
    pub fn container(&self, network: &str) -> Result<String> {
        let mut args = vec!["run", "--detach"];
        let (hosts, roots) = (hosts(), self.roots());
        args.extend(hosts.iter().map(String::as_str));
        args.extend(["--volume", &roots, "--network", network]);
        args.extend([IMAGE, "sleep", "3600"]);
        Ok(self.run(args)?.trim().to_owned())
    }

    /// Gives the image another name too, by which [`Docker::curl_once_of`] knows it.
    pub fn tag(&self, name: &str) -> Result<()> {
        self.run(["tag", IMAGE, name]).map(drop)
    }

    /// curl as user 1000 in a container that runs.
    pub fn curl(&self, container: &str, args: &[&str]) -> Result<Output> {
        let mut argv = vec!["exec", "--user", "1000", container, "curl"];
        argv.extend(CURL);
        argv.extend(args);
        self.command(argv)?.output().context("docker exec")
    }

    /// curl as user 1000 as all that a new container does.
    pub fn curl_once(&self, network: &str, args: &[&str]) -> Result<Output> {
        self.curl_once_of(IMAGE, network, args)
    }

    /// The same, of the image by another name.
    pub fn curl_once_of(&self, image: &str, network: &str, args: &[&str]) -> Result<Output> {
        let mut argv = vec!["run", "--rm", "--user", "1000"];
        let (hosts, roots) = (hosts(), self.roots());
        argv.extend(hosts.iter().map(String::as_str));
        argv.extend(["--volume", &roots, "--network", network, image, "curl"]);
        argv.extend(CURL);
        argv.extend(args);
        self.command(argv)?.output().context("docker run")
    }

    /// A command of the client: what it printed. It has to end well.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let mut command = self.command(args)?;
        let output = command.output().context("can't run docker")?;
        ensure!(
            output.status.success(),
            "{command:?}: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Command> {
        let mut command = Command::new("timeout");
        command
            .args(["60", "docker", "--host", &socket(&self.dir)])
            .args(args)
            // Not this user's contexts and registries.
            .env("DOCKER_CONFIG", self.dir.join("client"))
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null());
        Ok(command)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.command(["version"])?.output()?.status.success() {
            ensure!(
                Instant::now() < deadline,
                "dockerd does not serve:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The agent's bundle as a volume.
    fn roots(&self) -> String {
        let bundle = self.world.dir().join("ca/bundle.pem");
        format!("{}:/roots.pem:ro", bundle.display())
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        // Best effort: the sweep looks again when the process ends.
        self.daemons.kill();
        self.containers.kill();
        let _ = self.daemon.wait();
        unmount_below(&self.dir);
        cgroup::remove_beside(&self.world.cgroup);
    }
}

/// What every curl is told.
const CURL: [&str; 5] = [
    "--disable",
    "--silent",
    "--show-error",
    "--cacert",
    "/roots.pem",
];

/// The provider's names, as arguments.
fn hosts() -> Vec<String> {
    HOSTS
        .map(|(host, number)| format!("--add-host={host}:198.51.100.{number}"))
        .into()
}

fn socket(dir: &Path) -> String {
    format!("unix://{}", dir.join("socket").display())
}

/// What killed containers leave: their layers, their memory, their namespaces.
fn unmount_below(dir: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut below: Vec<_> = mounts.filter(|at| Path::new(at).starts_with(dir)).collect();
    below.sort_unstable();
    for at in below.into_iter().rev() {
        let _ = Command::new("umount").args(["--lazy", at]).output();
    }
}
