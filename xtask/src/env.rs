//! What this machine has: the checkout, the toolchain, and the cache that `setup` fills.

use std::env::var_os;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell::Sh;

/// Discovered once, at start.
pub struct Env {
    /// The root of the checkout.
    pub workspace: PathBuf,
    /// `${XDG_CACHE_HOME:-~/.cache}/interceptor`, where `interceptor-agent/build.rs` looks too.
    pub cache: PathBuf,
    /// The toolchain that `rust-toolchain.toml` pins.
    pub rustc: Rustc,
}

/// The facts of a rustc that building bpf-linker depends on.
pub struct Rustc {
    /// As in `1.95.0`.
    pub version: String,
    /// As in `22`.
    pub llvm_major: String,
    /// The folder that `lib/libLLVM.so.*` stands in.
    pub sysroot: PathBuf,
}

impl Env {
    pub fn discover() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder")?
            .to_owned();
        let absolute = |name| {
            var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".cache")))
            .context("neither XDG_CACHE_HOME nor HOME names an absolute folder to cache tools in")?
            .join("interceptor");
        let rustc = Rustc::discover(&workspace)?;
        Ok(Self {
            workspace,
            cache,
            rustc,
        })
    }

    /// Tools built by this toolchain, for this toolchain.
    pub fn tools(&self) -> PathBuf {
        self.cache.join(&self.rustc.version)
    }

    /// The virtual environment with the Python SDKs that tests and demo drive.
    pub fn venv(&self) -> PathBuf {
        self.cache.join("python")
    }

    /// The folder with the Node SDKs that tests drive, in `node_modules`.
    pub fn node(&self) -> PathBuf {
        self.cache.join("node")
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> PathBuf {
        var_os("CARGO_TARGET_DIR").map_or_else(|| self.workspace.join("target"), PathBuf::from)
    }

    /// The agent that `cargo xtask build` leaves.
    pub fn release_agent(&self) -> PathBuf {
        self.target().join("release/interceptor")
    }
}

impl Rustc {
    fn discover(workspace: &Path) -> Result<Self> {
        let text = Sh::new("rustc").arg("-vV").current_dir(workspace).read()?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("`rustc -vV` prints no {name}"))
        };
        let llvm_major = field("LLVM version")?
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let version = field("release")?.to_owned();
        let sysroot = Sh::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(workspace)
            .read()?;
        Ok(Self {
            version,
            llvm_major,
            sysroot: sysroot.trim().into(),
        })
    }
}

/// Whether the effective user is root. `/proc/self` belongs to the effective user.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|proc| proc.uid() == 0)
}

/// Whether PATH holds a program.
pub fn has_program(name: &str) -> bool {
    find_program(name).is_some()
}

/// Where PATH has a program.
pub fn find_program(name: &str) -> Option<PathBuf> {
    // Debian keeps administration tools out of an ordinary user's PATH.
    let path = var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir: PathBuf| dir.join(name))
        .find(|program| program.is_file())
}
