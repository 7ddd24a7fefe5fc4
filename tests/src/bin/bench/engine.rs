//! The mask engine alone, on one core: megabytes a second of the thread's own time, so that a busy machine tells no lies.

use std::fs;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use interceptor_agent::mask::Mode;
use interceptor_agent::mask::detector::Detectors;
use interceptor_agent::mask::request::Masker;
use interceptor_agent::protocol::anthropic;

use crate::rounds::median;
use crate::texts;

/// A measured text.
pub struct Speed {
    pub name: &'static str,
    pub megabytes_a_second: f64,
}

/// Scans and masks texts of three lengths, `rounds` times.
pub fn measure(rounds: usize) -> Result<Vec<Speed>> {
    let detectors = Detectors::builtin();
    let texts = [4 << 10, 64 << 10, 1 << 20].map(|length| texts::ordinary(length, 3));
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    let bodies = [texts::request(4 << 10)?, texts::request(64 << 10)?];
    let mut speeds = Vec::new();
    let names = [
        "scan 4 KiB of ordinary text",
        "scan 64 KiB of ordinary text",
        "scan 1 MiB of ordinary text",
    ];
    for (name, text) in names.into_iter().zip(&texts) {
        let mut findings = Vec::new();
        let megabytes_a_second = speed(rounds, text.len(), || {
            findings.clear();
            detectors.scan(text, &mut findings);
        })?;
        speeds.push(Speed {
            name,
            megabytes_a_second,
        });
    }
    let names = [
        "mask a 4 KiB request, five findings",
        "mask a 64 KiB request, five findings",
    ];
    for (name, body) in names.into_iter().zip(&bodies) {
        let mut failed = Ok(());
        let megabytes_a_second = speed(rounds, body.len(), || {
            if let Err(error) = mask(&masker, body) {
                failed = Err(error);
            }
        })?;
        failed?;
        speeds.push(Speed {
            name,
            megabytes_a_second,
        });
    }
    Ok(speeds)
}

fn mask(masker: &Masker, body: &Bytes) -> Result<()> {
    let mut masking = masker.begin();
    masking.body(&anthropic::MESSAGES, body)?;
    masking.finish();
    Ok(())
}

/// Bytes of work in each round.
const ROUND: usize = 24 << 20;

fn speed(rounds: usize, length: usize, mut work: impl FnMut()) -> Result<f64> {
    let times = ROUND / length;
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let before = on_cpu()?;
        for _ in 0..times {
            work();
        }
        let seconds = on_cpu()? - before;
        measured.push((times * length) as f64 / 1e6 / seconds);
    }
    Ok(median(measured))
}

/// Seconds that this thread was on a core.
fn on_cpu() -> Result<f64> {
    nanoseconds(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// Seconds that the threads of a process were on cores; threads that ended don't count.
pub fn process_on_cpu(pid: u32) -> Result<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += nanoseconds(&fs::read_to_string(task?.path().join("schedstat"))?)?;
    }
    Ok(sum)
}

fn nanoseconds(schedstat: &str) -> Result<f64> {
    let first = schedstat
        .split(' ')
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    Ok(first.context("schedstat has no time")? / 1e9)
}
