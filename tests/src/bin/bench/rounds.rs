//! Interleaved rounds: every way is measured in each, so that what the machine does meanwhile hits all alike.

use anyhow::{Context as _, Result};

use crate::bed::{Bed, WAYS, Way};
use crate::load::{Done, Job, Target};

/// What is measured, over every way.
pub struct Case {
    pub name: &'static str,
    pub job: fn(Target, u64) -> Job,
}

/// In the order of the report.
pub const CASES: [Case; 6] = [
    Case {
        name: "4 KiB, 16 connections kept",
        job: |target, millis| requests(target, 4 << 10, 16, false, millis),
    },
    Case {
        name: "4 KiB, 1 connection kept",
        job: |target, millis| requests(target, 4 << 10, 1, false, millis),
    },
    Case {
        name: "64 KiB, 16 connections kept",
        job: |target, millis| requests(target, 64 << 10, 16, false, millis),
    },
    Case {
        name: "4 KiB, one request a connection",
        job: |target, millis| requests(target, 4 << 10, 16, true, millis),
    },
    Case {
        name: "SSE, deltas of 5 characters, 1 stream",
        job: |target, millis| streams(target, 1, millis),
    },
    Case {
        name: "SSE, deltas of 5 characters, 8 streams",
        job: |target, millis| streams(target, 8, millis),
    },
];

fn streams(target: Target, connections: usize, millis: u64) -> Job {
    Job::Streams {
        target,
        connections,
        millis,
    }
}

fn requests(target: Target, length: usize, connections: usize, fresh: bool, millis: u64) -> Job {
    Job::Requests {
        target,
        length,
        connections,
        fresh,
        millis,
    }
}

/// One way in one round.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    pub done: Done,
    /// Seconds of processor time that the thing in the middle took.
    pub cpu: f64,
}

/// A case in every round, over every way.
pub struct Measured {
    pub name: &'static str,
    rounds: Vec<[Sample; WAYS.len()]>,
}

impl Measured {
    /// The median of something.
    pub fn median(&self, way: Way, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.each(|round| of(&round[way as usize])))
    }

    /// The median of what one way has in relation to another in the same round.
    pub fn ratio(&self, way: Way, to: Way, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.each(|round| of(&round[way as usize]) / of(&round[to as usize])))
    }

    /// The median of what a way adds to the direct one in the same round.
    pub fn added(&self, way: Way, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.each(|round| of(&round[way as usize]) - of(&round[Way::Direct as usize])))
    }

    fn each(&self, of: impl Fn(&[Sample; WAYS.len()]) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }
}

/// Measures every case, `millis` at a time, in `rounds` rounds. `tell` hears which round begins.
pub fn measure(
    bed: &mut Bed<'_>,
    rounds: usize,
    millis: u64,
    tell: impl Fn(&str),
) -> Result<Vec<Measured>> {
    let mut measured = Vec::from(CASES.map(|case| Measured {
        name: case.name,
        rounds: Vec::new(),
    }));
    for round in 0..rounds {
        tell(&format!("round {} of {rounds}", round + 1));
        for (case, measured) in CASES.iter().zip(&mut measured) {
            let mut samples = [Sample::default(); WAYS.len()];
            for turn in 0..WAYS.len() {
                let way = WAYS[(round + turn) % WAYS.len()];
                samples[way as usize] = bed
                    .sample(way, |target| (case.job)(target, millis))
                    .with_context(|| format!("{}, {}", case.name, way.name()))?;
            }
            measured.rounds.push(samples);
        }
    }
    Ok(measured)
}

/// The middle value; between the two middle ones where there are two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
