//! An image made of this machine's own files: busybox, curl and the libraries that curl is linked with.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Writes `image.tar` in a folder.
pub(super) fn archive(dir: &Path) -> Result<PathBuf> {
    let root = dir.join("image");
    for folder in ["bin", "tmp", "proc", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let curl = program("curl")?;
    for file in libraries(&curl)? {
        let to = root.join(file.strip_prefix("/")?);
        fs::create_dir_all(to.parent().context("a library without a folder")?)?;
        fs::copy(&file, to).with_context(|| format!("can't copy {}", file.display()))?;
    }
    fs::copy(&curl, root.join("bin/curl"))?;
    fs::copy(program("busybox")?, root.join("bin/busybox"))?;
    for name in ["sh", "sleep"] {
        symlink("busybox", root.join("bin").join(name))?;
    }
    let archive = dir.join("image.tar");
    let packed = Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(&root)
        .arg(".")
        .status()?;
    ensure!(packed.success(), "tar failed");
    fs::remove_dir_all(root)?;
    Ok(archive)
}

fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("no {name}: `cargo xtask setup` installs it"))
}

/// As `ldd` has them: `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)`, or the path alone.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let listed = Command::new("ldd").arg(program).output()?;
    ensure!(listed.status.success(), "ldd failed: {listed:?}");
    let text = String::from_utf8(listed.stdout)?;
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}
