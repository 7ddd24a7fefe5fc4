//! A Redis of a test's own, on a socket in its folder; a service that runs already is left alone.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::World;

/// A running server; it is killed when dropped.
pub struct Redis {
    dir: PathBuf,
    server: Child,
}

impl Redis {
    /// Starts one that writes every change to its file, which one that was here before it left. It is in the clients'
    /// namespace, so that it ends with the world.
    pub fn start(world: &World) -> Result<Self> {
        let dir = world.dir().join("redis");
        std::fs::create_dir_all(&dir)?;
        let server = Command::new("nsenter")
            .arg(format!("--net={}", world.clients.path().display()))
            .args([
                "redis-server",
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "yes",
            ])
            .args(["--appendfsync", "always", "--requirepass", PASSWORD])
            .arg("--dir")
            .arg(&dir)
            .arg("--unixsocket")
            .arg(socket(world.dir()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("can't start redis-server: run `cargo xtask setup`")?;
        let redis = Self { dir, server };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(socket(world.dir())).is_err() {
            ensure!(Instant::now() < deadline, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    /// Everything that it has written.
    pub fn files(&self) -> Result<Vec<u8>> {
        bytes(&self.dir)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What clients have to know.
pub const PASSWORD: &str = "redis-of-a-test";

/// Where it listens.
pub fn socket(world: &Path) -> PathBuf {
    world.join("redis.sock")
}

/// The bytes of all files below a folder.
pub fn bytes(folder: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => all.extend(bytes(&entry.path())?),
            false => all.extend(std::fs::read(entry.path())?),
        }
    }
    Ok(all)
}
