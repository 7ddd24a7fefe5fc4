//! A child cgroup for the clients of one test, below the cgroup-v2 mount wherever that is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A cgroup that nobody else is in; its processes are killed and it is removed when dropped.
pub struct Cgroup {
    mount: PathBuf,
    name: String,
}

impl Cgroup {
    /// Makes `interceptor-test-<run>` directly below the mount.
    pub fn make(run: &str) -> Result<Self> {
        let cgroup = Self {
            mount: mount()?,
            name: format!("interceptor-test-{run}"),
        };
        fs::create_dir(cgroup.path())
            .with_context(|| format!("can't make cgroup {}", cgroup.path().display()))?;
        Ok(cgroup)
    }

    /// Makes one below it.
    pub fn child(&self, name: &str) -> Result<Self> {
        let child = Self {
            mount: self.mount.clone(),
            name: format!("{}/{name}", self.name),
        };
        fs::create_dir(child.path())
            .with_context(|| format!("can't make cgroup {}", child.path().display()))?;
        Ok(child)
    }

    /// The folder below the mount.
    pub fn path(&self) -> PathBuf {
        self.mount.join(&self.name)
    }

    /// The path as the agent's config wants it: below the cgroup-v2 mount.
    pub fn config_path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Cgroup {
    /// `cgroup.kill` is of Linux 5.14; before, one by one. Whoever is gone already can't be killed.
    pub(crate) fn kill(&self) {
        if fs::write(self.path().join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let pids = fs::read_to_string(self.path().join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines() {
            let _ = Command::new("kill").args(["-s", "KILL", pid]).output();
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            self.kill();
            if remove(&self.path()).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Removes what container runtimes made of the same name in v1 hierarchies, where a host has them beside v2.
pub(crate) fn remove_beside(cgroup: &Cgroup) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let v1 = table.lines().filter(|line| line.contains(" - cgroup "));
    for mount in v1.filter_map(|line| line.split(' ').nth(4)) {
        let _ = remove(&Path::new(mount).join(&cgroup.name));
    }
}

fn remove(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)?.filter_map(Result::ok) {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(dir)
}

/// By type, not by path: hybrid hosts have it at /sys/fs/cgroup/unified.
fn mount() -> Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    table
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .context("no cgroup-v2 hierarchy is mounted here, and steering works on one")
}
