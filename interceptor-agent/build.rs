//! Compiles the eBPF programs for their own target and leaves the object at `$OUT_DIR/interceptor-ebpf`.
//!
//! A cargo inside cargo, with a target folder of its own so that it does not wait for the outer build's lock.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const PACKAGE: &str = "interceptor-ebpf";
const BINARY: &str = "interceptor";
const TARGET: &str = "bpfel-unknown-none";

/// What the outer cargo, clippy or an editor set for the host's build and the inner one must not inherit.
const NOT_INHERITED: [&str; 10] = [
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CLIPPY_ARGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\n{message}\n");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    let workspace = manifest
        .parent()
        .ok_or("the agent's crate has no parent folder")?;
    rerun_if_changed(workspace);
    if var("CARGO_CFG_TARGET_ENDIAN")? != "little" {
        return Err("the eBPF programs are built for little-endian hosts only".to_owned());
    }

    let out = PathBuf::from(var("OUT_DIR")?);
    // Shared by dev, release and clippy builds, which have an OUT_DIR each: `core` is built once.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not below a target folder")?
        .join("ebpf");
    let linker = bpf_linker()?;
    // SK_STORAGE maps need BTF, and BTF is made from debug information.
    let flags = [
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        &format!("-Clinker={}", linker.display()),
    ]
    .join("\x1f");

    let mut cargo = Command::new(var("CARGO")?);
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--release",
            "--package",
            PACKAGE,
            "--bin",
            BINARY,
            "--target",
            TARGET,
        ])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(&target);
    for name in NOT_INHERITED {
        cargo.env_remove(name);
    }
    cargo
        // Lets the pinned stable toolchain build `core`, so that no nightly is needed.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        // The workspace's release profile is the agent's; the kernel wants none of it.
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    let status = cargo
        .status()
        .map_err(|error| format!("can't start cargo for {PACKAGE}: {error}"))?;
    if !status.success() {
        return Err(format!(
            "{PACKAGE} did not compile; see cargo's messages above"
        ));
    }

    let object = target.join(TARGET).join("release").join(BINARY);
    fs::copy(&object, out.join(PACKAGE))
        .map_err(|error| format!("can't copy {} to OUT_DIR: {error}", object.display()))?;
    Ok(())
}

fn rerun_if_changed(workspace: &Path) {
    for path in [
        "interceptor-ebpf/src",
        "interceptor-ebpf/Cargo.toml",
        "interceptor-common/src",
        "interceptor-common/Cargo.toml",
    ] {
        println!("cargo:rerun-if-changed={}", workspace.join(path).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=INTERCEPTOR_BPF_LINKER");
}

/// `INTERCEPTOR_BPF_LINKER`, else the one that `cargo xtask setup` built for this toolchain, else one in PATH.
fn bpf_linker() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("INTERCEPTOR_BPF_LINKER").map(PathBuf::from) {
        return path.is_file().then_some(path.clone()).ok_or_else(|| {
            format!(
                "INTERCEPTOR_BPF_LINKER is {}, which is not a file",
                path.display()
            )
        });
    }
    let cached =
        cache_dir().and_then(|cache| Some(cache.join(rustc_version()?).join("bin/bpf-linker")));
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|dir| dir.join("bpf-linker"));
    cached
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_file())
        .ok_or_else(|| {
            "bpf-linker is missing, and the eBPF programs can't be linked without it.\n\
         Run `cargo xtask setup`, which builds it for this toolchain, and then build again."
                .to_owned()
        })
}

/// The same folder as xtask's `Paths::cache`.
fn cache_dir() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("interceptor"))
}

fn rustc_version() -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

fn var(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
