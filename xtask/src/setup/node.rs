//! The pinned Node SDKs that tests drive, in a folder of their own.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{Done, begin};
use crate::env::Env;
use crate::shell::Sh;

/// What Debian 12 has; the SDKs are pinned to versions that run on it.
const OLDEST: u32 = 18;

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

pub fn packages(env: &Env) -> Result<Done> {
    let wanted = FILES.map(|name| env.workspace.join("tests").join(name));
    let pins = fs::read_to_string(&wanted[1])
        .with_context(|| format!("can't read {}", wanted[1].display()))?;
    let dir = env.node();
    // Written last: a run that was interrupted starts over.
    let stamp = dir.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(Done::Already);
    }
    let version = Sh::new("node").arg("--version").read()?;
    ensure!(
        major(&version) >= Some(OLDEST),
        "the Node SDKs that tests drive need Node {OLDEST} or newer, and `node --version` says {}: \
         install a newer one, or put it first in PATH",
        version.trim()
    );
    begin(
        "Node clients",
        "installing the SDKs of anthropic, openai and google from npm",
    );
    fs::create_dir_all(&dir)?;
    for (from, name) in wanted.iter().zip(FILES) {
        fs::copy(from, dir.join(name))?;
    }
    Sh::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&dir)
        .quiet()?;
    fs::write(&stamp, pins).with_context(|| format!("can't write {}", stamp.display()))?;
    Ok(Done::Now)
}

/// Of `v18.20.4`, 18.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("v18.20.4\n"), Some(18));
        assert_eq!(major("8"), None);
    }
}
