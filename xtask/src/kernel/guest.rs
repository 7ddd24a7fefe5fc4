//! The guest's whole system, packed as an initramfs: this machine's own programs with their libraries, the agent,
//! the tests, and an `/init` that runs them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::cpio::Archive;
use super::debian::Kernel;
use crate::env::{Env, find_program};
use crate::setup;
use crate::shell::Sh;

const INIT: &str = include_str!("init.sh");

/// What the harness and the tests run, beside what busybox has.
const PROGRAMS: [&str; 4] = ["ip", "nsenter", "setpriv", "curl"];

/// Parts of Python's library that no test imports.
const NOT_PACKED: [&str; 10] = [
    "dist-packages",
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
];

/// Writes the initramfs in which `/init` runs the tests with these arguments, and says where it is.
pub fn pack(
    env: &Env,
    kernel: &Kernel,
    agent: &Path,
    tests: &Path,
    argv: &[OsString],
) -> Result<PathBuf> {
    // Of its own, since two kernels may be tested at once.
    let name = format!("kernel-tests-{}.cpio", kernel.release);
    let path = env.target().join(name);
    let out = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
    let mut guest = Guest(Archive::new(BufWriter::new(out)));
    for dir in ["/dev", "/proc", "/run", "/sys", "/tmp", "/etc/netns"] {
        guest.0.dir(Path::new(dir))?;
    }
    for (name, text) in [
        ("hosts", "127.0.0.1 localhost\n"),
        ("resolv.conf", ""),
        ("nsswitch.conf", "hosts: files\n"),
        // Without this, a name has one address.
        ("host.conf", "multi on\n"),
    ] {
        let path = Path::new("/etc").join(name);
        guest.0.file(&path, 0o644, 0, text.as_bytes())?;
    }

    for name in PROGRAMS {
        let program = installed(name)?;
        guest.program(&program, &program)?;
    }
    for name in ["busybox", "sh"] {
        guest.program(&installed(name)?, &Path::new("/bin").join(name))?;
    }
    guest.python(setup::python())?;
    for (number, module) in kernel.modules.iter().enumerate() {
        guest.copy(module, &Path::new("/modules").join(format!("{number}.ko")))?;
    }
    for (binary, to) in [(agent, "/agent"), (tests, "/tests")] {
        // A third of their size; an initramfs is memory.
        let stripped = path.with_extension("stripped");
        Sh::new("strip")
            .arg("-o")
            .arg(&stripped)
            .arg(binary)
            .quiet()?;
        guest.copy(&stripped, Path::new(to))?;
        guest.libraries(&[binary])?;
        fs::remove_file(&stripped)?;
    }
    // Where the harness was told at compile time that they are.
    guest.tree(&env.workspace.join("tests/clients"))?;
    guest
        .0
        .file(Path::new("/init"), 0o755, 0, &init(setup::python(), argv))?;
    guest.0.finish()?;
    Ok(path)
}

fn installed(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("{name} is not in PATH"))
}

fn init(python: &Path, argv: &[OsString]) -> Vec<u8> {
    let mut script = INIT.as_bytes().to_owned();
    script.extend(b"export INTERCEPTOR_BIN=/agent INTERCEPTOR_PYTHON=");
    script.extend(quoted(python.as_os_str().as_bytes()));
    script.extend(b"\n/tests");
    for arg in argv {
        script.push(b' ');
        script.extend(quoted(arg.as_bytes()));
    }
    script.extend(b"\nend $?\n");
    script
}

/// As one word of a shell.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

struct Guest<W>(Archive<W>);

impl<W: Write> Guest<W> {
    /// A program, with its libraries.
    fn program(&mut self, from: &Path, to: &Path) -> Result<()> {
        self.copy(from, to)?;
        self.libraries(&[from])
    }

    /// The interpreter and its library.
    fn python(&mut self, python: &Path) -> Result<()> {
        self.program(python, python)?;
        let library = Sh::new(python)
            .args([
                "-c",
                "import sysconfig; print(sysconfig.get_path('stdlib'))",
            ])
            .read()?;
        let library = Path::new(library.trim());
        self.tree(library)?;
        let extensions: Vec<_> = fs::read_dir(library.join("lib-dynload"))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        self.libraries(&extensions)
    }

    /// The shared libraries that the dynamic linker would load for these; a static program has none.
    fn libraries(&mut self, binaries: &[impl AsRef<Path>]) -> Result<()> {
        let output = Sh::new("ldd")
            .args(binaries.iter().map(AsRef::as_ref))
            .output()?;
        let listed = String::from_utf8_lossy(&output.stdout);
        for library in libraries(&listed) {
            self.copy(library, library)?;
        }
        Ok(())
    }

    fn tree(&mut self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(dir).with_context(|| format!("can't list {}", dir.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.path().is_file() {
                self.copy(&entry.path(), &entry.path())?;
            } else if !NOT_PACKED.iter().any(|skipped| name == *skipped) {
                self.tree(&entry.path())?;
            }
        }
        Ok(())
    }

    /// A file of this machine; a link becomes what it points to.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let read = || -> std::io::Result<_> { Ok((fs::metadata(from)?, fs::read(from)?)) };
        let (metadata, bytes) = read().with_context(|| format!("can't read {}", from.display()))?;
        // Python takes a compiled module only if it knows the source's time.
        let changed = u32::try_from(metadata.mtime()).unwrap_or_default();
        self.0.file(to, metadata.mode() & 0o777, changed, &bytes)?;
        Ok(())
    }
}

/// The paths in what ldd prints; the line of a file that it was asked about ends in a colon.
fn libraries(listed: &str) -> impl Iterator<Item = &Path> {
    listed
        .lines()
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with('/') && !word.ends_with(':'))
        .map(Path::new)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{libraries, quoted};

    #[test]
    fn libraries_of_what_ldd_prints() {
        let listed = "/bin/a:\n\tlinux-vdso.so.1 (0x00007f57)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f57)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f57)\n/bin/b:\n\tnot a dynamic executable\n";
        let found: Vec<_> = libraries(listed).collect();
        assert_eq!(
            found,
            ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(Path::new)
        );
    }

    #[test]
    fn arguments_stay_one_word() {
        assert_eq!(quoted(b"it's $HOME"), br"'it'\''s $HOME'");
    }
}
