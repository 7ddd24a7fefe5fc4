//! Files that hold a secret: nobody but their owner may read them.

use std::{fs::File, io, os::unix::fs::MetadataExt as _, path::Path};

/// Why such a file is not read.
#[derive(Debug)]
pub enum Unfit {
    /// It can't be.
    File(io::Error),
    /// Others can read it: its access rights.
    Readable(u32),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Opens a file that nobody else can read. The open file is looked at, so that no other can take its place.
///
/// # Errors
/// See [`Unfit`].
pub fn open(path: &Path) -> Result<File, Unfit> {
    let file = File::open(path)?;
    match file.metadata()?.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(Unfit::Readable(mode)),
        _ => Ok(file),
    }
}
