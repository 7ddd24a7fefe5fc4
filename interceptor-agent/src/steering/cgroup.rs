//! The cgroup-v2 hierarchy: found by mount type, since hybrid hosts mount it at `…/unified`.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use super::SteeringError;
use crate::sys;

/// A directory of the cgroup-v2 hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    directory: File,
}

impl Cgroup {
    /// Opens a cgroup given as a path below the mount (`/` is its root).
    pub fn open(below_mount: &Path) -> Result<Self, SteeringError> {
        Self::at(mount()?.join(below_mount.strip_prefix("/").unwrap_or(below_mount)))
    }

    /// Makes a child of the caller's own cgroup, or opens it.
    pub fn create(below_mount: &Path) -> Result<Self, SteeringError> {
        let path = mount()?.join(below_mount.strip_prefix("/").unwrap_or(below_mount));
        fs::create_dir_all(&path).map_err(|error| SteeringError::Cgroup {
            path: path.clone(),
            error,
        })?;
        Self::at(path)
    }

    fn at(path: PathBuf) -> Result<Self, SteeringError> {
        match File::open(&path) {
            Ok(directory) => Ok(Self { path, directory }),
            Err(error) => Err(SteeringError::Cgroup { path, error }),
        }
    }

    /// The one that has this path now: it may have been removed and made anew.
    pub fn again(&self) -> Result<Self, SteeringError> {
        Self::at(self.path.clone())
    }

    /// Another handle of the same directory.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            directory: self.directory.try_clone()?,
        })
    }

    /// The open directory, for attaching.
    pub fn directory(&self) -> &File {
        &self.directory
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel's id of it (its inode on 64-bit kernels, Linux 5.5).
    pub fn id(&self) -> Result<u64, SteeringError> {
        Ok(self
            .directory
            .metadata()
            .map_err(SteeringError::at(&self.path))?
            .ino())
    }

    /// The file whose writer joins by writing `0`.
    pub fn procs(&self) -> Result<File, SteeringError> {
        let procs = self.path.join("cgroup.procs");
        File::options()
            .write(true)
            .open(&procs)
            .map_err(SteeringError::at(&procs))
    }

    /// Ids of the processes in it and below.
    pub fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.each_below(|folder| {
            // A cgroup that was removed meanwhile has no processes.
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(procs.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        });
        found
    }

    /// The kernel's ids of it and of those below.
    pub fn ids(&self) -> HashSet<u64> {
        let mut found = HashSet::new();
        self.each_below(|folder| found.extend(fs::metadata(folder).map(|data| data.ino())));
        found
    }

    fn each_below(&self, mut visit: impl FnMut(&Path)) {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            visit(&folder);
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.extend(below.map(|entry| entry.path()));
        }
    }

    /// Ends every process in it and below and removes it.
    pub fn kill_and_remove(&self) -> Result<(), SteeringError> {
        let removed = (0..100).find_map(|_| {
            if let Err(error) = self.kill() {
                return Some(Err(error));
            }
            match fs::remove_dir(&self.path) {
                // Killed processes are still leaving.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                    None
                }
                other => Some(other),
            }
        });
        removed
            .unwrap_or_else(|| Err(io::ErrorKind::ResourceBusy.into()))
            .map_err(SteeringError::at(&self.path))
    }

    /// All at once by `cgroup.kill` (Linux 5.14), else one by one: whoever is born meanwhile is there the next time.
    fn kill(&self) -> io::Result<()> {
        let kill = self.path.join("cgroup.kill");
        match File::options().write(true).open(kill) {
            Ok(mut kill) => kill.write_all(b"1"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                for pid in self.processes() {
                    // It may have ended meanwhile.
                    let _ = sys::kill(pid);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A cgroup's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Below the mount, from `/` on.
    pub path: String,
    /// How much of it was named by root.
    vouched: usize,
}

impl Found {
    /// The path down to the last name that nobody but root can have chosen: whoever owns a cgroup names those in it.
    pub fn vouched(&self) -> &str {
        &self.path[..self.vouched]
    }
}

/// The cgroup that the kernel gave this id; None if it is gone, or below no mount of ours.
pub fn by_id(id: u64) -> Option<Found> {
    static MOUNT: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (mount, directory) = match MOUNT.get() {
        Some(known) => known,
        None => {
            let mount = mount().ok()?;
            let directory = File::open(&mount).ok()?;
            MOUNT.get_or_init(|| (mount, directory))
        }
    };
    // The kernel takes 0 for the root.
    let opened = sys::open_cgroup(directory, id).ok().filter(|_| id != 0)?;
    let whole = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).ok()?;
    let below = whole.strip_prefix(mount).ok()?.to_str()?;
    // Removed since it was opened, it has that at its end.
    (!below.ends_with(" (deleted)")).then(|| Found {
        vouched: vouched(mount, below),
        path: format!("/{below}"),
    })
}

/// The length of `/` and `below` up to the last name in a folder that only root can write to.
fn vouched(mount: &Path, below: &str) -> usize {
    let roots_alone = |folder: &Path| {
        let data = fs::metadata(folder);
        data.is_ok_and(|data| data.uid() == 0 && data.mode() & 0o022 == 0)
    };
    let mut folder = mount.to_owned();
    let mut length = 1;
    for name in below.split('/').filter(|name| !name.is_empty()) {
        if !roots_alone(&folder) {
            break;
        }
        folder.push(name);
        length += name.len() + usize::from(length > 1);
    }
    length
}

/// Where cgroup v2 is mounted.
pub fn mount() -> Result<PathBuf, SteeringError> {
    let path = "/proc/self/mountinfo";
    let table = fs::read_to_string(path).map_err(SteeringError::io(path))?;
    parse_mount(&table).ok_or(SteeringError::NoCgroup2)
}

/// The caller's own cgroup, as a path below the mount.
pub fn own() -> Result<PathBuf, SteeringError> {
    let path = "/proc/self/cgroup";
    let table = fs::read_to_string(path).map_err(SteeringError::io(path))?;
    Ok(table
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/")
        .into())
}

/// Field 5 of a mountinfo line is the mount point; the type follows a lone `-` (proc(5)).
fn parse_mount(table: &str) -> Option<PathBuf> {
    table.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        (file_system.split(' ').next()? == "cgroup2")
            .then(|| mount.split(' ').nth(4).map(unescape))?
    })
}

/// Space, tab, newline and backslash are octal in mountinfo.
pub(super) fn unescape(field: &str) -> PathBuf {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_folder_that_others_write_to_are_not_vouched_for() {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let mount =
            std::env::temp_dir().join(format!("interceptor-vouched-{}", std::process::id()));
        fs::create_dir_all(mount.join("a.slice/b.service/c.scope/d")).unwrap();
        let open = |path: &str, mode| {
            fs::set_permissions(mount.join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        for path in [
            "",
            "a.slice",
            "a.slice/b.service",
            "a.slice/b.service/c.scope",
        ] {
            open(path, 0o755);
        }
        let below = "a.slice/b.service/c.scope/d";
        let found = || Found {
            path: format!("/{below}"),
            vouched: vouched(&mount, below),
        };
        let as_root = fs::metadata(&mount).unwrap().uid() == 0;
        assert_eq!(
            found().vouched(),
            if as_root { found().path } else { "/".into() }
        );
        open("a.slice/b.service", 0o775);
        assert_eq!(
            found().vouched(),
            if as_root { "/a.slice/b.service" } else { "/" }
        );
        if as_root {
            open("a.slice/b.service", 0o755);
            chown(mount.join("a.slice"), Some(1000), None).unwrap();
            assert_eq!(found().vouched(), "/a.slice");
        }
        fs::remove_dir_all(&mount).unwrap();
        assert_eq!(vouched(&mount, ""), 1);
    }

    #[test]
    fn finds_cgroup2_beside_v1() {
        let table = "\
30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
32 30 0:28 / /sys/fs/cgroup/uni\\040fied rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(
            parse_mount(table),
            Some(PathBuf::from("/sys/fs/cgroup/uni fied"))
        );
        assert_eq!(
            parse_mount("31 30 0:27 / /x rw - cgroup cgroup rw,cpu"),
            None
        );
    }
}
