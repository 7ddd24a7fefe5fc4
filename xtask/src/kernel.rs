//! `cargo xtask test --kernel VERSION`: the steering suite in a stock Debian kernel, under QEMU's emulation.
//!
//! Nothing of the host but its CPU takes part: the guest's whole system is an initramfs made here. It needs no root,
//! and no KVM, under which stock kernels crash on some hosts.

mod cpio;
mod debian;
mod guest;
mod image;
mod qemu;

use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::env::Env;
use crate::setup;

/// What `--kernel` takes: the series of [`debian::SERIES`], oldest first, and all of them.
pub const VERSIONS: [&str; 6] = ["5.10", "6.1", "6.12", "6.18", "newest", "all"];

/// Test modules of `tests/e2e` that the kernel side decides; the rest is the same on every kernel.
const STEERING: [&str; 12] = [
    "bind::",
    "connect::",
    "direct::",
    "egress::",
    "getpeername::",
    "getsockname::",
    "ingress::",
    "known_hosts::",
    "lifecycle::",
    "netns::",
    "sendmsg::",
    "hand_off::",
];

/// Runs the steering suite, or the end-to-end tests whose name contains `filter`, on one of [`VERSIONS`].
pub fn run(
    env: &Env,
    version: &str,
    agent: &Path,
    tests: &Path,
    filter: Option<&str>,
    args: &[OsString],
) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("--kernel boots x86-64 kernels with this machine's programs, so it needs x86-64");
    }
    setup::kernel_packages()?;
    let mut argv: Vec<OsString> = match filter {
        Some(filter) => vec![filter.into()],
        None => STEERING.iter().map(OsString::from).collect(),
    };
    // The SDKs are not packed; and a load that is to last for some seconds is none at this speed.
    argv.extend(["--skip", "python_sdks", "--skip", "under_load"].map(OsString::from));
    argv.extend(args.iter().cloned());

    let mut failed = Vec::new();
    for series in debian::SERIES
        .iter()
        .filter(|series| version == "all" || version == series.name)
    {
        let start = Instant::now();
        let kernel = debian::kernel(env, series)?;
        eprintln!("\n     Booting Linux {}", kernel.release);
        let initramfs = guest::pack(env, &kernel, agent, tests, &argv)?;
        match qemu::run(&kernel.vmlinux, &initramfs) {
            Ok(()) => eprintln!(
                "     Linux {}: ok in {:.0?}",
                kernel.release,
                start.elapsed()
            ),
            Err(error) => {
                eprintln!("     Linux {}: {error:#}", kernel.release);
                failed.push(kernel.release);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("tests failed on Linux {}", failed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{VERSIONS, debian};

    #[test]
    fn the_command_line_takes_every_series_and_all() {
        let mut names: Vec<_> = debian::SERIES.iter().map(|series| series.name).collect();
        names.push("all");
        assert_eq!(names, VERSIONS);
    }
}
