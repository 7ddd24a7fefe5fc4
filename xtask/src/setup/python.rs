//! A virtual environment with the pinned Python SDKs that tests and demo drive.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Done, begin};
use crate::env::Env;
use crate::shell::Sh;

pub fn venv(env: &Env) -> Result<Done> {
    let wanted = env.workspace.join("tests/requirements.txt");
    let pins =
        fs::read_to_string(&wanted).with_context(|| format!("can't read {}", wanted.display()))?;
    let venv = env.venv();
    // Written last: a run that was interrupted starts over.
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(Done::Already);
    }
    begin(
        "Python clients",
        "installing the SDKs of anthropic, openai, google and cohere from PyPI",
    );
    Sh::new(python())
        .args(["-m", "venv", "--clear"])
        .arg(&venv)
        .quiet()?;
    Sh::new(venv.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--requirement",
        ])
        .arg(&wanted)
        .quiet()?;
    fs::write(&stamp, pins).with_context(|| format!("can't write {}", stamp.display()))?;
    Ok(Done::Now)
}

/// Whether `python -m venv` works; Debian ships it apart.
pub fn can_make_venv() -> bool {
    Sh::new(python())
        .args(["-c", "import venv, ensurepip"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Debian's rather than whatever shim comes first in PATH.
pub fn python() -> &'static Path {
    let debians = Path::new("/usr/bin/python3");
    if debians.exists() {
        debians
    } else {
        Path::new("python3")
    }
}
