//! What one command needs to be steered (a cgroup, a BPF file system for the pins, maybe a CA), removed when it has ended.
//!
//! All of it is found below one folder, so that what a killed `exec` left behind is swept up by the next one, and by
//! `uninstall`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{folder::Folder, session::OnlyEbpf};
use crate::{
    config::{Backend, Config},
    steering::cgroup::{self, Cgroup},
    sys,
    tls::ca,
};

const SESSIONS: &str = "/run/interceptor";
const PREFIX: &str = "exec-";

/// A command's own surroundings.
pub(super) struct Steered {
    config: Config,
    cgroup: Cgroup,
    place: Place,
}

impl Steered {
    /// Makes them; with `own_ca` a CA that is gone with them.
    pub(super) fn begin(mut config: Config, own_ca: bool) -> anyhow::Result<Self> {
        OnlyEbpf::check(config.steering.backend)?;
        let place = Place::make()
            .context("steering needs root, with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN")?;
        sweep();
        match prepare(&mut config, own_ca, &place) {
            Ok(cgroup) => Ok(Self {
                config,
                cgroup,
                place,
            }),
            Err(error) => {
                place.end();
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

fn prepare(config: &mut Config, own_ca: bool, place: &Place) -> anyhow::Result<Cgroup> {
    config.steering.backend = Backend::Ebpf;
    config.steering.pin_dir = place.bpffs().join("pins");
    config.steering.listen_port = 0;
    config.admin.listen = None;
    config.listeners.clear();
    if own_ca {
        config.tls.ca_dir = place.0.path().join("ca");
        let names = config.hosts.names();
        ca::init(&config.tls.ca_dir, &names, &ca::Options::default())?;
    }
    let below = cgroup::own()?.join(place.name());
    fs::write(place.cgroup(), below.as_os_str().as_encoded_bytes())?;
    config.steering.cgroup.clone_from(&below);
    Ok(Cgroup::create(&below)?)
}

impl Drop for Steered {
    fn drop(&mut self) {
        // Processes that the command left behind would run on without an agent: they end with it.
        if let Err(error) = self.cgroup.kill_and_remove() {
            eprintln!("interceptor: {error}");
        }
        self.place.end();
    }
}

/// Removes the surroundings of sessions whose `exec` was killed. Their processes were refused every connect since; they
/// end here.
pub(in crate::cli) fn sweep() -> usize {
    let dead = Folder::left_behind(Path::new(SESSIONS), PREFIX).map(Place);
    dead.filter(|place| match place.sweep() {
        Ok(()) => true,
        Err(error) => {
            eprintln!("interceptor: {}: {error:#}", place.0.path().display());
            false
        }
    })
    .count()
}

/// A folder below `/run/interceptor`.
struct Place(Folder);

impl Place {
    fn make() -> io::Result<Self> {
        fs::create_dir_all(SESSIONS)?;
        let place = Self(Folder::make(Path::new(SESSIONS), PREFIX)?);
        let mounted = fs::create_dir(place.bpffs()).and_then(|()| sys::mount_bpffs(&place.bpffs()));
        match mounted {
            Ok(()) => Ok(place),
            Err(error) => {
                // What counts is why it can't be mounted.
                let _ = place.remove_files();
                Err(error)
            }
        }
    }

    /// The cgroup's name: told apart from those of other containers, as the folder is.
    fn name(&self) -> String {
        let folder = self.0.path().file_name().unwrap_or_default();
        format!("interceptor-{}", folder.display())
    }

    fn bpffs(&self) -> PathBuf {
        self.0.path().join("bpf")
    }

    fn cgroup(&self) -> PathBuf {
        self.0.path().join("cgroup")
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
            eprintln!("interceptor: {}: {error}", self.0.path().display());
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
        fs::remove_dir_all(self.0.path())?;
        match fs::remove_dir(SESSIONS) {
            // Another session's folder is there.
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        }
    }
}
