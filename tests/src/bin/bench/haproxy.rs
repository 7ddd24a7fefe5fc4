//! HAProxy as the agent's peer: TLS on both sides, connections kept and reused on both, as many threads, no log. What passes
//! the agent passes it too: by its server name, then spliced.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{net::TcpStream, thread};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::netns::Netns;

use crate::certs::Certs;

/// Where it listens, on the clients' loopback.
pub const PORT: u16 = 9443;

/// Where it listens for what passes.
pub const PASSING: u16 = 9445;

/// A running HAProxy; it ends when dropped.
pub struct HaProxy(Child);

impl HaProxy {
    /// Starts it in `netns`, towards `server`, with its files in `dir`.
    pub fn start(
        netns: &Netns,
        dir: &Path,
        certs: &Certs,
        (host, server): (&str, &str),
        other: &str,
        threads: usize,
    ) -> Result<Self> {
        let (leaf, ca, config) = (
            dir.join("haproxy.pem"),
            dir.join("bench-ca.pem"),
            dir.join("haproxy.cfg"),
        );
        fs::write(&leaf, certs.leaf_and_key())?;
        fs::write(&ca, &certs.ca)?;
        let text = format!(
            "global\n  nbthread {threads}\n  maxconn 4096\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             \x20 option http-keep-alive\n  http-reuse always\n\
             frontend clients\n  bind 127.0.0.1:{PORT} ssl crt {} alpn http/1.1\n  default_backend provider\n\
             backend provider\n  server one {server} ssl verify required ca-file {} sni str({host}) \
             verifyhost {host} alpn http/1.1\n\
             frontend passing\n  mode tcp\n  bind 127.0.0.1:{PASSING}\n  tcp-request inspect-delay 5s\n\
             \x20 tcp-request content accept if {{ req.ssl_sni -m found }}\n  tcp-request content reject\n\
             \x20 option splice-auto\n  default_backend other\n\
             backend other\n  mode tcp\n  option splice-auto\n  server one {other}\n",
            leaf.display(),
            ca.display(),
        );
        fs::write(&config, text)?;
        let log = fs::File::create(dir.join("haproxy.log"))?;
        let child = Command::new("nsenter")
            .arg(format!("--net={}", netns.path().display()))
            .args(["haproxy", "-db", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't run haproxy, of Debian's haproxy")?;
        let started = Self(child);
        ensure!(
            wait_until_it_listens(netns, PORT)?,
            "haproxy does not listen:\n{}",
            fs::read_to_string(dir.join("haproxy.log"))?
        );
        Ok(started)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

/// Whether something listens on loopback of `netns` within a few seconds.
pub fn wait_until_it_listens(netns: &Netns, port: u16) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if netns
            .run(|| TcpStream::connect(("127.0.0.1", port)))?
            .is_ok()
        {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
