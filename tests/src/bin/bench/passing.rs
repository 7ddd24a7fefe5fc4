//! What the agent costs connections that it lets pass: a download and short exchanges, each beside a direct one, and
//! the memory of those that are idle.

use anyhow::Result;
use interceptor_agent::sys::raise_descriptor_limit;
use interceptor_tests::World;

use crate::bed::Bed;
use crate::load::{Done, Job, Load};
use crate::rounds::median;

/// Connections before the idle ones, which set up what all of them share.
const FIRST: usize = 200;

/// Descriptors for everything but idle connections.
const SPARE: usize = 1000;

/// Medians of a rate, and the median of the rounds' ratios.
pub struct Passing {
    pub name: &'static str,
    pub unit: &'static str,
    pub direct: f64,
    pub passed: f64,
    pub ratio: f64,
}

/// As many of `wanted` idle connections as this process, and those it starts, may have: the agent has two descriptors
/// for each.
pub fn idle_connections(wanted: usize) -> Result<usize> {
    raise_descriptor_limit()?;
    // What the first call has set is what the second one finds.
    let limit = usize::try_from(raise_descriptor_limit()?).unwrap_or(usize::MAX);
    Ok(wanted.min(limit.saturating_sub(SPARE) / 2))
}

/// KiB that the enforcing agent grows by, for each of `count` connections.
pub fn memory_of_each(bed: &mut Bed<'_>, world: &World, count: usize) -> Result<f64> {
    let mut load = Load::start(&world.clients, &world.cgroup)?;
    let mut hold = |bed: &Bed<'_>, count| -> Result<f64> {
        load.run(&Job::Hold {
            target: bed.other()?,
            count,
        })?;
        bed.memory("VmRSS")
    };
    let before = hold(bed, FIRST)?;
    let after = hold(bed, count)?;
    Ok((after - before) * 1024.0 / count as f64)
}

/// Measures in `rounds` rounds: downloads of so many bytes, exchanges for so many milliseconds.
pub fn measure(bed: &mut Bed<'_>, rounds: usize, millis: u64, bytes: u64) -> Result<[Passing; 2]> {
    let target = bed.other()?;
    let download = Job::Download {
        target: target.clone(),
        bytes,
    };
    let exchange = Job::Requests {
        target,
        length: 1024,
        connections: 1,
        fresh: true,
        millis,
    };
    Ok([
        compare("a download", "MB/s", download, bed, rounds, |done| {
            done.per_second() / 1e6
        })?,
        compare(
            "connect, TLS, 1 KiB and answer",
            "/s",
            exchange,
            bed,
            rounds,
            Done::per_second,
        )?,
    ])
}

fn compare(
    name: &'static str,
    unit: &'static str,
    job: Job,
    bed: &mut Bed<'_>,
    rounds: usize,
    rate: impl Fn(&Done) -> f64,
) -> Result<Passing> {
    let (mut direct, mut passed) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut both = [0.0; 2];
        // Neither is always the first.
        for turn in [round % 2, 1 - round % 2] {
            let load = if turn == 0 {
                &mut bed.free[0]
            } else {
                &mut bed.enforced
            };
            both[turn] = rate(&load.run(&job)?);
        }
        direct.push(both[0]);
        passed.push(both[1]);
    }
    let ratios = direct
        .iter()
        .zip(&passed)
        .map(|(direct, passed)| passed / direct);
    Ok(Passing {
        name,
        unit,
        ratio: median(ratios.collect()),
        direct: median(direct),
        passed: median(passed),
    })
}
