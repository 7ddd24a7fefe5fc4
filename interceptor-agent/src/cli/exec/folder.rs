//! The folder of one `exec`, locked for as long as it is in use: what nobody has locked was left behind. The number of a
//! process says neither, since a container's first one has always the same, and other containers and the host have it too.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{id::Id, sys};

/// Times that another `exec` may take a folder for left behind before its maker has locked it.
const ATTEMPTS: usize = 8;

/// A folder that this process has locked.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes one: `<prefix><pid>-<id>`.
    ///
    /// # Errors
    /// It can't be made or locked there.
    pub(super) fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let path = parent.join(format!("{prefix}{}-{}", std::process::id(), Id::new()));
            // Fails where something is there already, which could be somebody else's.
            fs::create_dir(&path)?;
            if let Some(folder) = Self::lock(path)? {
                return Ok(folder);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Those of this user that were left behind, locked.
    pub(super) fn left_behind(parent: &Path, prefix: &str) -> impl Iterator<Item = Self> {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let name = entry.file_name();
            let rest = name.to_str()?.strip_prefix(prefix)?;
            rest.split('-').next()?.parse::<u32>().ok()?;
            Self::lock(entry.path()).ok()?
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// `None`: somebody has it, or had it until a moment ago.
    fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .open(&path);
        let lock = match file {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let locked = lock.metadata()?;
        if locked.uid() != sys::user() {
            return Ok(None);
        }
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        let is_there = fs::symlink_metadata(&path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino()));
        Ok(is_there.then_some(Self { path, _lock: lock }))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_not_locked_was_left_behind_whoever_has_its_number() {
        let temporary = std::env::temp_dir().join(format!("folders-{}", std::process::id()));
        let at = |name: &str| temporary.join(name);
        let own = format!("exec-{}", std::process::id());
        let gone = format!("exec-{}-{}", u32::MAX, Id::new());
        for name in [&own, &gone, "exec-notes", "exec-7-used"] {
            fs::create_dir_all(at(name).join("ca")).unwrap();
        }
        symlink(at("exec-notes"), at("exec-8")).unwrap();
        let used = Folder::lock(at("exec-7-used")).unwrap().unwrap();
        let made = Folder::make(&temporary, "exec-").unwrap();
        assert!(made.path().exists());

        let left = Folder::left_behind(&temporary, "exec-");
        let mut left: Vec<_> = left.map(|folder| folder.path).collect();
        left.sort();
        let mut expected = [at(&own), at(&gone)];
        expected.sort();
        assert_eq!(left, expected);
        drop(used);
        assert_eq!(Folder::left_behind(&temporary, "exec-").count(), 3);
        fs::remove_dir_all(temporary).unwrap();
    }
}
