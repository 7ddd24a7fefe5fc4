//! The programs that tests, demo and bench run, from Debian.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Done, begin};
use crate::env::has_program;
use crate::shell::Sh;

/// A program that must be in PATH, and the Debian package that brings it.
pub const WANTED: [(&str, &str); 13] = [
    ("cc", "build-essential"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("curl", "curl"),
    ("busybox", "busybox-static"),
    ("dockerd", "docker.io"),
    // Debian 13 has the client apart, and a pattern that matches no package is no error.
    ("docker", "?exact-name(docker-cli)"),
    ("haproxy", "haproxy"),
    ("openssl", "openssl"),
    ("python3", "python3-venv"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("redis-server", "redis-server"),
];

/// What `test --kernel` runs beside: an emulator, the guest's system, and what kernels are compressed with.
pub const FOR_KERNELS: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("strip", "binutils"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("lz4", "lz4"),
];

/// What packages start when they are installed.
const SERVICES: [(&str, &[&str]); 3] = [
    ("haproxy", &["haproxy"]),
    ("docker.io", &["docker.socket", "docker", "containerd"]),
    ("redis-server", &["redis-server"]),
];

/// Installs the packages of those programs that are missing.
pub fn install(wanted: &[(&str, &'static str)]) -> Result<Done> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(Done::Already);
    }
    if !has_program("apt-get") {
        bail!(
            "this is no Debian: install the programs of {} with your own package manager",
            missing.join(", ")
        );
    }
    begin(
        "Debian packages",
        &format!("installing {}", missing.join(", ")),
    );
    apt(&["update"])?.quiet()?;
    apt(&["install", "--yes", "--no-install-recommends"])?
        .args(&missing)
        .quiet()?;
    // Tests and bench start their own; nobody asked for services.
    for (package, services) in SERVICES {
        if missing.contains(&package) && Path::new("/run/systemd/system").exists() {
            Sh::root(
                "systemctl",
                &format!("switching off the services that {package} starts"),
            )?
            .args(["disable", "--now"])
            .args(services)
            .quiet()?;
        }
    }
    Ok(Done::Now)
}

fn apt(args: &[&str]) -> Result<Sh> {
    Ok(Sh::root("apt-get", "installing Debian packages")?
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(args))
}

fn missing(wanted: &[(&str, &'static str)]) -> Vec<&'static str> {
    let mut missing: Vec<_> = wanted
        .iter()
        .filter(|(program, _)| !has_program(program))
        .map(|&(_, package)| package)
        .collect();
    // Debian's python3 alone can't make a virtual environment.
    if wanted.iter().any(|(_, package)| *package == "python3-venv")
        && !missing.contains(&"python3-venv")
        && !super::python::can_make_venv()
    {
        missing.push("python3-venv");
    }
    missing
}
