//! Where maps and links are pinned: `<pin_dir>/v<schema>/{maps,links}/<name>`.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use interceptor_common::SCHEMA;

use crate::{steering::SteeringError, sys};

const BPFFS: &str = "/sys/fs/bpf";

/// Makes the pin folders, and mounts the BPF file system where a host has none.
pub(super) fn prepare(pin_dir: &Path) -> Result<PathBuf, SteeringError> {
    let parent = pin_dir
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    if !sys::on_bpffs(parent).map_err(SteeringError::at(parent))? {
        if !pin_dir.starts_with(BPFFS) {
            return Err(SteeringError::load(format!(
                "steering.pin_dir {} is not on a BPF file system: choose a folder below {BPFFS}",
                pin_dir.display()
            )));
        }
        sys::mount_bpffs(Path::new(BPFFS))
            .map_err(SteeringError::io(format!("mount -t bpf bpf {BPFFS}")))?;
    }
    let version = version(pin_dir);
    for kind in ["maps", "links"] {
        let folder = version.join(kind);
        fs::create_dir_all(&folder).map_err(SteeringError::at(&folder))?;
    }
    Ok(version)
}

/// Taken for as long as the file is open: two agents on the same maps would steer into one another.
pub(super) fn lock(pins: &Path) -> Result<File, SteeringError> {
    let folder = File::open(pins).map_err(SteeringError::at(pins))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(SteeringError::Running(pins.to_owned())),
        Err(TryLockError::Error(error)) => Err(SteeringError::at(pins)(error)),
    }
}

/// The folder of this version's pins.
pub(super) fn version(pin_dir: &Path) -> PathBuf {
    pin_dir.join(format!("v{SCHEMA}"))
}

pub(super) fn map(pins: &Path, name: &str) -> PathBuf {
    pins.join("maps").join(name)
}

pub(super) fn link(pins: &Path, name: &str) -> PathBuf {
    pins.join("links").join(name)
}

/// Puts a new program into a pinned link. `false`: there is none, or its cgroup is gone.
pub(super) fn swap(pin: &Path, cgroup: u64, program: &impl AsRawFd) -> Result<bool, SteeringError> {
    let link = match sys::open_pin(pin) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(SteeringError::at(pin)(error)),
    };
    match sys::cgroup_link(&link)
        .map_err(SteeringError::at(pin))?
        .cgroup
    {
        attached if attached == cgroup => {
            sys::update_link(&link, program).map_err(SteeringError::at(pin))?;
            Ok(true)
        }
        0 => {
            fs::remove_file(pin).map_err(SteeringError::at(pin))?;
            Ok(false)
        }
        _ => Err(SteeringError::OtherCgroup {
            pin: pin.to_owned(),
        }),
    }
}

/// Removes every pin below `pin_dir`, whatever version made it: nothing is steered any more. Returns how many
/// links there were.
pub fn uninstall(pin_dir: &Path) -> Result<usize, SteeringError> {
    let links = count(&version(pin_dir).join("links"));
    match fs::remove_dir_all(pin_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SteeringError::at(pin_dir)(error))
        }
        _ => Ok(links),
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}
