//! `cargo xtask ci`: exactly what CI runs, the quick checks first.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::env::Env;
use crate::shell::Sh;
use crate::{setup, test, tidy};

pub fn run(env: &Env) -> Result<()> {
    stage("fmt", || {
        Sh::cargo(env).args(["fmt", "--all", "--check"]).run()
    })?;
    stage("tidy", || tidy::run(&env.workspace))?;
    stage("setup", || {
        setup::run(env)?;
        setup::cargo_deny(env)
    })?;
    stage("clippy: workspace", || {
        Sh::cargo(env)
            .args(["clippy", "--all-targets", "--", "-D", "warnings"])
            .run()
    })?;
    stage("clippy: eBPF", || clippy_ebpf(env))?;
    stage("deny", || deny(env))?;
    // Last, so that the closing lines are those of the tests.
    stage("test", || test::run(env, None, &[]))
}

fn stage(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("ci stopped at {name}"));
    eprintln!(
        "== {name}: {} in {:.1?}",
        if result.is_ok() { "ok" } else { "failed" },
        start.elapsed()
    );
    result
}

fn clippy_ebpf(env: &Env) -> Result<()> {
    Sh::cargo(env)
        .args([
            "clippy",
            "--package",
            "interceptor-ebpf",
            "--target",
            "bpfel-unknown-none",
        ])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(env.target().join("ebpf"))
        .args(["--release", "--", "-D", "warnings"])
        .env("RUSTC_BOOTSTRAP", "1")
        .run()
}

fn deny(env: &Env) -> Result<()> {
    let deny = || {
        Sh::new(env.tools().join("bin/cargo-deny"))
            .current_dir(&env.workspace)
            .arg("check")
    };
    deny().args(["bans", "licenses", "sources"]).run()?;
    if advisories_in_reach() {
        return deny().arg("advisories").run();
    }
    eprintln!(
        "advisories: not checked, since github.com, which holds the database, can't be reached from here"
    );
    Ok(())
}

fn advisories_in_reach() -> bool {
    let Ok(mut addresses) = ("github.com", 443).to_socket_addrs() else {
        return false;
    };
    addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
}
