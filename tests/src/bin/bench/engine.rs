//! The mask engine alone, on one core: megabytes a second of the thread's own time, so that a busy machine tells no lies.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use interceptor_agent::mask::Mode;
use interceptor_agent::mask::detector::Detectors;
use interceptor_agent::mask::request::Masker;
use interceptor_agent::protocol::Endpoint;

use crate::rounds::median;
use crate::texts;

/// A measured text.
pub struct Speed {
    pub name: &'static str,
    pub megabytes_a_second: f64,
}

/// What a turn of a long conversation costs.
pub struct Turns {
    /// Microseconds of the first one, and of the last.
    pub first: f64,
    pub last: f64,
    /// The same without what is kept of earlier ones.
    pub last_uncached: f64,
}

/// Turns of the conversation.
pub const TURNS: usize = 50;

/// The engine's time for the first and the last turn of a conversation that a client sends whole in every turn, `rounds` times.
pub fn turns(rounds: usize) -> Result<Turns> {
    let requests = texts::conversation(TURNS);
    let detectors = Arc::new(Detectors::builtin());
    let micros = |masker: &Masker, request| -> Result<f64> {
        // Too short for the scheduler's count; the median leaves out the times in which others ran.
        let start = Instant::now();
        mask(masker, request)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    let (mut first, mut last, mut last_uncached) = (Vec::new(), Vec::new(), Vec::new());
    // A turn is short: many conversations make a measure.
    for _ in 0..rounds * 20 {
        let masker = Masker::new(Arc::clone(&detectors), Mode::Enforce);
        for (turn, request) in requests.iter().enumerate() {
            match turn {
                0 => first.push(micros(&masker, request)?),
                turn if turn + 1 == TURNS => last.push(micros(&masker, request)?),
                _ => mask(&masker, request)?,
            }
        }
        let uncached = Masker::new(Arc::clone(&detectors), Mode::Enforce).with_cache(0);
        last_uncached.push(micros(&uncached, &requests[TURNS - 1])?);
    }
    Ok(Turns {
        first: median(first),
        last: median(last),
        last_uncached: median(last_uncached),
    })
}

/// Scans and masks texts of three lengths, `rounds` times.
pub fn measure(rounds: usize) -> Result<Vec<Speed>> {
    let texts = [4 << 10, 64 << 10, 1 << 20].map(|length| texts::ordinary(length, 3));
    // Every request is a new one.
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce).with_cache(0);
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
            masker.findings(text, &mut findings);
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
    masking.body(Endpoint::AnthropicMessages, body)?;
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
