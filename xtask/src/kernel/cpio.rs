//! Archives in cpio's `newc` format, which the kernel unpacks as its first file system.
//!
//! The format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const FILE: u32 = 0o100_000;
const DIR: u32 = 0o040_000;

/// An archive being written. Parent folders of what is added come by themselves.
pub struct Archive<W> {
    out: W,
    seen: BTreeSet<PathBuf>,
}

impl<W: Write> Archive<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            seen: BTreeSet::from(["/".into(), PathBuf::new()]),
        }
    }

    /// A file at an absolute path, with permission bits and the seconds of its last change. What is there already stays.
    pub fn file(&mut self, path: &Path, mode: u32, changed: u32, bytes: &[u8]) -> io::Result<()> {
        self.add(path, FILE | mode, changed, bytes)
    }

    /// An empty folder.
    pub fn dir(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, DIR | 0o755, 0, &[])
    }

    /// Writes the end, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn add(&mut self, path: &Path, mode: u32, changed: u32, bytes: &[u8]) -> io::Result<()> {
        if !self.seen.insert(path.to_owned()) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.dir(parent)?;
        }
        let name = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        self.entry(name.trim_start_matches('/'), mode, changed, bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, changed: u32, bytes: &[u8]) -> io::Result<()> {
        let size = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // Inode 0 throughout: with one link each, the kernel compares none.
        let fields = [0, mode, 0, 0, 1, changed, size, 0, 0, 0, 0];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        write!(self.out, "{:08x}{:08x}{name}\0", name.len() + 1, 0)?;
        self.pad(6 + 13 * 8 + name.len() + 1)?;
        self.out.write_all(bytes)?;
        self.pad(bytes.len())
    }

    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out
            .write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Archive;

    #[test]
    fn an_archive_byte_for_byte() {
        let mut archive = Archive::new(Vec::new());
        let init = Path::new("/a/init");
        archive.file(init, 0o755, 0x5f00_0000, b"hello").unwrap();
        archive.file(init, 0o644, 0, b"once only").unwrap();
        let text = String::from_utf8(archive.finish().unwrap()).unwrap();
        // Magic, inode, mode, owner, group, links, time, size, four device numbers, the name's size, check.
        let expected = concat!(
            "070701 00000000 000041ed 00000000 00000000 00000001 00000000 00000000",
            " 00000000 00000000 00000000 00000000 00000002 00000000 a\0",
            "070701 00000000 000081ed 00000000 00000000 00000001 5f000000 00000005",
            " 00000000 00000000 00000000 00000000 00000007 00000000 a/init\0\0\0\0hello\0\0\0",
            "070701 00000000 00000000 00000000 00000000 00000001 00000000 00000000",
            " 00000000 00000000 00000000 00000000 0000000b 00000000 TRAILER!!!\0\0\0\0",
        );
        assert_eq!(text, expected.replace(' ', ""));
    }
}
