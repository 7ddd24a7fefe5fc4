//! One big answer, as fast as it comes: to curl, since what is measured is the way and not a client of our own.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::load::{Done, Target};

pub fn run(target: &Target, bytes: u64) -> Result<Done> {
    let Target {
        address,
        host,
        roots,
        ..
    } = target;
    let port = address.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--http1.1"])
        .args(["--output", "/dev/null"])
        .args([
            "--write-out",
            "%{size_download} %{time_pretransfer} %{time_total}",
        ])
        .arg("--cacert")
        .arg(roots)
        .args(["--resolve", &format!("{host}:{port}:{}", address.ip())])
        .arg(format!("https://{host}:{port}/{bytes}"))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl: {errors}");
    let numbers: Vec<f64> = said
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("curl wrote {said:?}"))?;
    let &[got, ready, ended] = &numbers[..] else {
        bail!("curl wrote {said:?}");
    };
    ensure!(got as u64 == bytes, "{got} of {bytes} bytes came");
    Ok(Done {
        count: bytes,
        seconds: ended - ready,
        ..Done::default()
    })
}
