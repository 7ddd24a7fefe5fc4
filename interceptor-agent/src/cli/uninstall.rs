//! `interceptor uninstall`.

use std::{path::PathBuf, process::ExitCode};

use super::exec;
use crate::{
    config::Config,
    steering::{ebpf, nftables},
};

/// Arguments of `interceptor uninstall`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration that was run, for its steering.pin_dir
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::parse("version = 1")?,
        };
        let pins = &config.steering.pin_dir;
        match ebpf::uninstall(pins)? {
            0 => println!("nothing was installed below {}", pins.display()),
            links => println!(
                "removed {links} links and their maps below {}: nothing is steered any more",
                pins.display()
            ),
        }
        match exec::sweep() {
            0 => {}
            swept => println!("removed what {swept} killed `interceptor exec` left behind"),
        }
        if nftables::uninstall()? {
            println!(
                "removed the nftables table of this network namespace: nothing is redirected any more"
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
