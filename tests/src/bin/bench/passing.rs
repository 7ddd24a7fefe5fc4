//! What the agent costs connections that it lets pass: a download and short exchanges, each beside a direct one and one through
//! HAProxy, and the memory of those that are idle.

use anyhow::Result;
use interceptor_agent::sys::raise_descriptor_limit;
use interceptor_tests::World;

use crate::bed::Bed;
use crate::haproxy;
use crate::load::{Done, Job, Load, Target};
use crate::rounds::median;

/// The argument that asks for this alone.
pub const PASSING: &str = "passing";

/// Connections before the idle ones, which set up what all of them share.
const FIRST: usize = 200;

/// Descriptors for everything but idle connections.
const SPARE: usize = 1000;

/// Medians of a rate, and the medians of the rounds' ratios to the direct one.
pub struct Passing {
    pub name: &'static str,
    pub unit: &'static str,
    pub direct: f64,
    pub passed: f64,
    pub ratio: f64,
    pub haproxy: f64,
}

/// In the order in which a round has them.
const DIRECT: usize = 0;
const PASSED: usize = 1;
const HAPROXY: usize = 2;

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
    let download = |target| Job::Download { target, bytes };
    let exchange = |target| Job::Requests {
        target,
        length: 1024,
        connections: 1,
        fresh: true,
        millis,
    };
    Ok([
        // They are short, and differ more than anything else here.
        compare(
            "a download",
            "MB/s",
            download,
            bed,
            2 * rounds + 1,
            |done| done.per_second() / 1e6,
        )?,
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
    job: impl Fn(Target) -> Job,
    bed: &mut Bed<'_>,
    rounds: usize,
    rate: impl Fn(&Done) -> f64,
) -> Result<Passing> {
    let target = bed.other()?;
    let mut through = target.clone();
    through.address = ([127, 0, 0, 1], haproxy::PASSING).into();
    let mut measured: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds {
        // None is always the first.
        for way in (0..3).map(|turn| (round + turn) % 3) {
            let (load, target) = match way {
                PASSED => (&mut bed.enforced, &target),
                HAPROXY => (&mut bed.free[0], &through),
                _ => (&mut bed.free[0], &target),
            };
            measured[way].push(rate(&load.run(&job(target.clone()))?));
        }
    }
    let ratio = |way: usize| {
        let rounds = measured[DIRECT].iter().zip(&measured[way]);
        median(rounds.map(|(direct, passed)| passed / direct).collect())
    };
    Ok(Passing {
        name,
        unit,
        ratio: ratio(PASSED),
        haproxy: ratio(HAPROXY),
        direct: median(measured[DIRECT].clone()),
        passed: median(measured[PASSED].clone()),
    })
}
