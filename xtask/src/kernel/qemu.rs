//! Booting a kernel in QEMU, its serial line on this terminal.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Emulated on two cores, the suite takes a few minutes.
const TIMEOUT: Duration = Duration::from_secs(1200);

/// The line with which `init.sh` ends.
const MARKER: &str = "guest ended: rc=";

/// Boots the kernel on the initramfs; passes only if the guest's tests said that they passed.
pub fn run(vmlinux: &Path, initramfs: &Path) -> Result<()> {
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg,thread=single", "-cpu", "max", "-M", "pc"])
        // The guest's clock counts instructions, one a nanosecond, and idle time is skipped: to the tests' deadlines
        // the guest is a fast machine, however slow or busy this one is. QEMU can do that with one CPU only.
        .args(["-icount", "shift=0,sleep=off"])
        .args(["-smp", "1", "-m", "1024", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        .arg("-kernel")
        .arg(vmlinux)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off no_timer_check",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("can't run qemu-system-x86_64")?;
    let serial = qemu.stdout.take().context("no pipe to QEMU")?;
    let ended = follow(BufReader::new(serial), Instant::now() + TIMEOUT);
    // It is gone already where the guest ended by itself.
    let _ = qemu.kill();
    qemu.wait()?;
    verdict(ended?.as_deref())
}

/// Prints the guest's lines as they come; what stood behind the marker, or nothing if QEMU ended without it.
fn follow(serial: impl BufRead + Send + 'static, deadline: Instant) -> Result<Option<String>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        // Bytes rather than lines: what a crashing kernel prints need not be UTF-8.
        for line in serial.split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                let line = line.trim_end();
                if let Some(said) = line.strip_prefix(MARKER) {
                    return Ok(Some(said.to_owned()));
                }
                eprintln!("{line}");
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("not done after {TIMEOUT:?}"),
        }
    }
}

fn verdict(said: Option<&str>) -> Result<()> {
    match said {
        Some("0") => Ok(()),
        Some(said) => bail!("the tests ended with {said}"),
        None => bail!("the guest ended without a word: its kernel crashed, or never started"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::{Duration, Instant};

    use super::{follow, verdict};

    fn ended(serial: &'static str) -> Result<(), String> {
        let said = follow(
            Cursor::new(serial),
            Instant::now() + Duration::from_secs(60),
        )
        .unwrap();
        verdict(said.as_deref()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_end_marker_with_zero_passes() {
        assert_eq!(ended("hello\r\nguest ended: rc=0\r\n"), Ok(()));
        for failed in [
            "",
            "test result: ok\r\n",
            "guest ended: rc=101\r\n",
            "guest ended: rc=no module\r\n",
            "guest ended: rc=0 of 7\r\n",
            "test says guest ended: rc=0\r\n",
            "guest ended: rc=",
        ] {
            assert!(ended(failed).is_err(), "{failed:?}");
        }
    }

    #[test]
    fn silence_ends_too() {
        let (serial, _writer) = std::io::pipe().unwrap();
        let serial = std::io::BufReader::new(serial);
        assert!(follow(serial, Instant::now() + Duration::from_millis(20)).is_err());
    }
}
