//! `cargo xtask setup`: installs what is missing, from package registries only, and says what it does.
//!
//! Each step first looks whether there is anything to do, so that a second run takes no time.

mod debian;
mod linker;
mod node;
mod python;

use std::fs;
use std::time::Instant;

use anyhow::Result;

use crate::env::Env;
use crate::shell::Sh;

pub use self::python::python;

const CARGO_DENY: &str = "0.20.2";

/// What building, testing, the demo and the bench need.
pub fn run(env: &Env) -> Result<()> {
    step("rust-src", || rust_src(env))?;
    step("Debian packages", || debian::install(&debian::WANTED))?;
    step("bpf-linker", || linker::build(env))?;
    step("Python clients", || python::venv(env))?;
    step("Node clients", || node::packages(env))
}

/// What booting kernels in an emulator needs beside.
pub fn kernel_packages() -> Result<()> {
    step("QEMU", || debian::install(&debian::FOR_KERNELS))
}

/// What `ci` needs beside.
pub fn cargo_deny(env: &Env) -> Result<()> {
    step("cargo-deny", || {
        if is_installed(env, "cargo-deny", CARGO_DENY) {
            return Ok(Done::Already);
        }
        begin("cargo-deny", "building it takes some minutes, once");
        install(env, "cargo-deny", CARGO_DENY).quiet()?;
        Ok(Done::Now)
    })
}

/// What a step found.
enum Done {
    Already,
    Now,
}

fn step(name: &str, work: impl FnOnce() -> Result<Done>) -> Result<()> {
    let start = Instant::now();
    match work()? {
        Done::Already => eprintln!("  {name:<16} already there"),
        Done::Now => eprintln!("  {name:<16} done in {:.0?}", start.elapsed()),
    }
    Ok(())
}

fn begin(name: &str, what: &str) {
    eprintln!("  {name:<16} {what} …");
}

fn rust_src(env: &Env) -> Result<Done> {
    if env
        .rustc
        .sysroot
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .is_file()
    {
        return Ok(Done::Already);
    }
    begin("rust-src", "adding the component to the pinned toolchain");
    Sh::new("rustup")
        .args(["component", "add", "rust-src"])
        .current_dir(&env.workspace)
        .quiet()?;
    Ok(Done::Now)
}

fn is_installed(env: &Env, name: &str, version: &str) -> bool {
    // cargo's own record: a version that we no longer want is built anew.
    let record = fs::read_to_string(env.tools().join(".crates.toml")).unwrap_or_default();
    record.contains(&format!("\"{name} {version} ")) && env.tools().join("bin").join(name).is_file()
}

fn install(env: &Env, name: &str, version: &str) -> Sh {
    Sh::cargo(env)
        .args([
            "install",
            name,
            "--version",
            version,
            "--locked",
            "--force",
            "--root",
        ])
        .arg(env.tools())
}
