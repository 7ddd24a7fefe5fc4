//! bpf-linker, built from crates.io against the LLVM that rustc itself ships.
//!
//! The programs' bitcode comes from that same LLVM, so versions can't disagree, and no LLVM is downloaded.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Done, begin, install, is_installed};
use crate::env::Env;

const VERSION: &str = "0.13.0";

pub fn build(env: &Env) -> Result<Done> {
    if is_installed(env, "bpf-linker", VERSION) {
        return Ok(Done::Already);
    }
    begin(
        "bpf-linker",
        "building it against rustc's own LLVM takes about a minute, once",
    );
    let library = rustc_llvm(env)?;
    let prefix = env.tools().join("llvm");
    fs::create_dir_all(prefix.join("lib"))?;
    let link = prefix.join("lib/libLLVM.so");
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => symlink(&library, &link)?,
    }
    let rpath = env.rustc.sysroot.join("lib");
    install(env, "bpf-linker", VERSION)
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{}", env.rustc.llvm_major),
        ])
        .env("LLVM_PREFIX", &prefix)
        .env(
            "RUSTFLAGS",
            format!("-Clink-arg=-Wl,-rpath,{}", rpath.display()),
        )
        .quiet()?;
    Ok(Done::Now)
}

fn rustc_llvm(env: &Env) -> Result<PathBuf> {
    let lib = env.rustc.sysroot.join("lib");
    let entries = fs::read_dir(&lib).with_context(|| format!("can't list {}", lib.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libLLVM") && name.contains(".so")
        })
        .with_context(|| {
            format!(
                "{} holds no libLLVM: this rustc was not installed by rustup. Install the pinned toolchain \
                 with rustup, or put a bpf-linker for LLVM {} into PATH and set INTERCEPTOR_BPF_LINKER",
                lib.display(),
                env.rustc.llvm_major
            )
        })
}
