//! What one command needs to be steered (a cgroup, a BPF file system for the pins, maybe a CA), removed when it has ended.
//!
//! All of it is found below one folder named after the process, so that what a killed `exec` left behind is swept up by
//! the next one, and by `uninstall`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::session::OnlyEbpf;
use crate::{
    config::{Backend, Config},
    steering::cgroup::{self, Cgroup},
    sys,
    tls::ca,
};

const SESSIONS: &str = "/run/interceptor";

/// A command's own surroundings.
pub(super) struct Steered {
    config: Config,
    cgroup: Cgroup,
    folder: Folder,
}

impl Steered {
    /// Makes them; with `own_ca` a CA that is gone with them.
    pub(super) fn begin(mut config: Config, own_ca: bool) -> anyhow::Result<Self> {
        OnlyEbpf::check(config.steering.backend)?;
        let folder = Folder::make()
            .context("steering needs root, with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN")?;
        sweep();
        match prepare(&mut config, own_ca, &folder) {
            Ok(cgroup) => Ok(Self {
                config,
                cgroup,
                folder,
            }),
            Err(error) => {
                folder.end();
                Err(error)
            }
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }
}

fn prepare(config: &mut Config, own_ca: bool, folder: &Folder) -> anyhow::Result<Cgroup> {
    config.steering.backend = Backend::Ebpf;
    config.steering.pin_dir = folder.bpffs().join("pins");
    config.steering.listen_port = 0;
    config.admin.listen = None;
    config.listeners.clear();
    if own_ca {
        config.tls.ca_dir = folder.0.join("ca");
        let names = config.hosts.names();
        ca::init(&config.tls.ca_dir, &names, &ca::Options::default())?;
    }
    let name = format!("interceptor-exec-{}", std::process::id());
    let below = cgroup::own()?.join(name);
    fs::write(folder.cgroup(), below.as_os_str().as_encoded_bytes())?;
    config.steering.cgroup.clone_from(&below);
    Ok(Cgroup::create(&below)?)
}

impl Drop for Steered {
    fn drop(&mut self) {
        // Processes that the command left behind would run on without an agent: they end with it.
        if let Err(error) = self.cgroup.kill_and_remove() {
            eprintln!("interceptor: {error}");
        }
        self.folder.end();
    }
}

/// Removes the surroundings of sessions whose `exec` was killed. Their processes were refused every connect since; they
/// end here.
pub(in crate::cli) fn sweep() -> usize {
    let entries = fs::read_dir(SESSIONS).into_iter().flatten().flatten();
    let dead = entries
        .map(|entry| Folder(entry.path()))
        .filter(Folder::is_dead);
    dead.filter(|folder| match folder.sweep() {
        Ok(()) => true,
        Err(error) => {
            eprintln!("interceptor: {}: {error:#}", folder.0.display());
            false
        }
    })
    .count()
}

/// `/run/interceptor/exec-<pid>`.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let folder = Self(Path::new(SESSIONS).join(format!("exec-{}", std::process::id())));
        fs::create_dir_all(folder.bpffs())?;
        match sys::mount_bpffs(&folder.bpffs()) {
            Ok(()) => Ok(folder),
            Err(error) => {
                // What counts is why it can't be mounted.
                let _ = folder.remove_files();
                Err(error)
            }
        }
    }

    fn bpffs(&self) -> PathBuf {
        self.0.join("bpf")
    }

    fn cgroup(&self) -> PathBuf {
        self.0.join("cgroup")
    }

    fn is_dead(&self) -> bool {
        let pid = self.0.file_name().and_then(|name| name.to_str());
        pid.and_then(|name| name.strip_prefix("exec-"))
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    }

    fn sweep(&self) -> anyhow::Result<()> {
        if let Ok(below) = fs::read_to_string(self.cgroup())
            && let Ok(cgroup) = Cgroup::open(Path::new(&below))
        {
            cgroup.kill_and_remove()?;
        }
        Ok(self.remove()?)
    }

    /// Removes it, and says so where that can't be.
    fn end(&self) {
        if let Err(error) = self.remove() {
            eprintln!("interceptor: {}: {error}", self.0.display());
        }
    }

    /// With the file system its pins go, and with them the links.
    fn remove(&self) -> io::Result<()> {
        match sys::unmount(&self.bpffs()) {
            // Not mounted any more.
            Err(error) if error.raw_os_error() != Some(libc::EINVAL) => Err(error),
            _ => self.remove_files(),
        }
    }

    fn remove_files(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)?;
        match fs::remove_dir(SESSIONS) {
            // Another session's folder is there.
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        }
    }
}
