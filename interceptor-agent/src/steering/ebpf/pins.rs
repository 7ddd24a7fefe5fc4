//! Where maps and links are pinned: `<pin_dir>/v<schema>/{maps,links}/<name>`.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
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

/// Taken for as long as the file is open: two agents on the same maps would steer into one another, and so would two of
/// different versions. A predecessor's lock is as good.
pub(super) fn lock(pins: &Path, inherited: Option<File>) -> Result<File, SteeringError> {
    for other in others(pins)? {
        take(&other, inherited.as_ref())?;
    }
    let taken = take(pins, inherited.as_ref())?;
    taken
        .or(inherited)
        .ok_or_else(|| SteeringError::Running(pins.to_owned()))
}

/// `None`: a predecessor has it.
fn take(pins: &Path, predecessors: Option<&File>) -> Result<Option<File>, SteeringError> {
    let folder = File::open(pins).map_err(SteeringError::at(pins))?;
    if let Some(predecessors) = predecessors
        && is_same(predecessors, &folder).map_err(SteeringError::at(pins))?
    {
        return Ok(None);
    }
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Err(SteeringError::Running(pins.to_owned())),
        Err(TryLockError::Error(error)) => Err(SteeringError::at(pins)(error)),
    }
}

/// Makes a lock that was inherited this process's own: the kernel names the one who changed its kind last. Whoever takes
/// it just in between finds the port taken, and ends.
pub(super) fn own(lock: &File) -> io::Result<()> {
    lock.lock_shared()?;
    lock.lock()
}

/// The folder of this version's pins.
pub(super) fn version(pin_dir: &Path) -> PathBuf {
    pin_dir.join(format!("v{SCHEMA}"))
}

/// Pins that agents of other versions left beside these: `v` and a number.
pub(super) fn others(pins: &Path) -> Result<Vec<PathBuf>, SteeringError> {
    let pin_dir = pins.parent().unwrap_or(Path::new("/"));
    let entries = fs::read_dir(pin_dir).map_err(SteeringError::at(pin_dir))?;
    let is_version = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix('v'));
        number.is_some_and(|number| number.parse::<u32>().is_ok()) && path != pins
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(is_version).collect())
}

/// Removes what agents of other versions pinned: from here on these programs decide alone.
pub(super) fn retire_others(pins: &Path) -> Result<(), SteeringError> {
    for other in others(pins)? {
        fs::remove_dir_all(&other).map_err(SteeringError::at(&other))?;
        tracing::info!(pins = %other.display(), "took over from an agent of another version");
    }
    Ok(())
}

fn is_same(a: &File, b: &File) -> io::Result<bool> {
    let (a, b) = (a.metadata()?, b.metadata()?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}

pub(super) fn map(pins: &Path, name: &str) -> PathBuf {
    pins.join("maps").join(name)
}

pub(super) fn link(pins: &Path, name: &str) -> PathBuf {
    pins.join("links").join(name)
}

/// Puts a new program into a pinned link. `false`: there is none, or its cgroup is gone.
pub(super) fn swap(pin: &Path, cgroup: u64, program: &impl AsRawFd) -> Result<bool, SteeringError> {
    match attached(pin, cgroup)? {
        Pinned::Here(link) => {
            sys::update_link(&link, program).map_err(SteeringError::at(pin))?;
            Ok(true)
        }
        Pinned::Detached => {
            fs::remove_file(pin).map_err(SteeringError::at(pin))?;
            Ok(false)
        }
        Pinned::Nowhere => Ok(false),
    }
}

/// Takes a pin away, if there is one: what was pinned ends with it.
pub(super) fn remove(pin: &Path) -> Result<(), SteeringError> {
    match fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SteeringError::at(pin)(error)),
        _ => Ok(()),
    }
}

/// A pinned link, by where it is attached.
pub(super) enum Pinned {
    /// To the cgroup asked for.
    Here(OwnedFd),
    /// To one that is gone.
    Detached,
    /// There is none.
    Nowhere,
}

/// Where a pinned link is attached; to another cgroup is an error.
pub(super) fn attached(pin: &Path, cgroup: u64) -> Result<Pinned, SteeringError> {
    let link = match sys::open_pin(pin) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pinned::Nowhere),
        Err(error) => return Err(SteeringError::at(pin)(error)),
    };
    match sys::cgroup_link(&link)
        .map_err(SteeringError::at(pin))?
        .cgroup
    {
        attached if attached == cgroup => Ok(Pinned::Here(link)),
        0 => Ok(Pinned::Detached),
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
