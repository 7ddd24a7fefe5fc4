//! Leaves the machine as it was found, however a run ends.
//!
//! Values that go out of scope clean up after themselves. For everything else, Ctrl-C and SIGKILL included, a
//! watcher in a session of its own waits for this process to end. Leftovers of runs that are gone are swept first.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

const SCRIPT: &str = include_str!("sweep.sh");

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Starts the watcher and sweeps what dead runs left; does nothing from the second call on.
pub fn arm() -> Result<()> {
    static WATCHER: OnceLock<Mutex<Child>> = OnceLock::new();
    static ARMING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ARMING.lock();
    if WATCHER.get().is_some() {
        return Ok(());
    }
    for run in dead_runs() {
        now(run)?;
    }
    let watcher = Command::new("setsid")
        .args(["sh", "-c", &format!("cat > /dev/null\n{SCRIPT}"), "sweep"])
        .arg(std::process::id().to_string())
        // Nobody writes to this pipe; it ends when this process does.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("can't start the watcher that cleans up")?;
    let _ = WATCHER.set(Mutex::new(watcher));
    Ok(())
}

/// Makes Ctrl-C and SIGTERM clean up before they end the process, rather than a moment after.
pub fn on_signals() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        let status = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        });
        STOPPING.store(true, Ordering::SeqCst);
        // The watcher looks again after us, so a failure here is not the last word.
        let _ = now(std::process::id());
        std::process::exit(status);
    });
    Ok(())
}

/// Whether a signal is ending this process: what fails now fails because its ground is taken away. Waits for the end.
pub fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Removes at once what a run made.
pub fn now(run: u32) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", SCRIPT, "sweep"])
        .arg(run.to_string())
        .status()?;
    ensure!(
        status.success(),
        "cleaning up after run {run} failed: {status}"
    );
    Ok(())
}

fn dead_runs() -> BTreeSet<u32> {
    let names = [
        Path::new("/run/netns"),
        Path::new("/tmp"),
        Path::new("/etc/netns"),
    ]
    .into_iter()
    .filter_map(|dir| fs::read_dir(dir).ok())
    .flatten()
    .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| {
            name.strip_prefix("ictest-")?
                .split('-')
                .next()?
                .parse()
                .ok()
        })
        .filter(|run: &u32| !Path::new("/proc").join(run.to_string()).exists())
        .collect()
}
