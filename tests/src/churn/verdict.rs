//! What became of it all, and whether that is what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::calls::{BOUND, Call, Outcome};
use super::events::{Event, Happened, now};
use super::watch::Usage;
use crate::{World, canary};

/// A call that ends this much later, in seconds, may still owe its failure to an outage: clients are told of it later than
/// the agent serves.
const AFTERMATH: f64 = 0.5;

/// How often a client that was refused tries again, in seconds.
const RETRY: f64 = 1.0;

/// Everything that happened.
pub struct Report {
    seed: u64,
    right: u64,
    failed: Vec<Call>,
    longest: f64,
    events: Vec<Happened>,
    leaks: Vec<String>,
    /// What the agent wrote of other things than exchanges, and when it was taken.
    log: Vec<(f64, Vec<String>)>,
    usage: Usage,
    pending: usize,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            right: 0,
            failed: Vec::new(),
            longest: 0.0,
            events: Vec::new(),
            leaks: Vec::new(),
            log: Vec::new(),
            usage: Usage::default(),
            pending: 0,
        }
    }

    pub(super) fn happened(&mut self, happened: Happened) {
        self.events.push(happened);
    }

    pub(super) fn calls(&mut self, calls: impl Iterator<Item = Call>) {
        for call in calls {
            self.longest = self.longest.max(call.ended - call.began);
            match call.outcome {
                Outcome::Right => self.right += 1,
                _ => self.failed.push(call),
            }
        }
    }

    /// Looks for canaries in what the provider got and the agent wrote since the last time.
    pub(super) fn seen(&mut self, world: &World, log: &str) {
        let lines = log.lines().filter(|line| !line.contains("\"exchange\""));
        self.log.push((now(), lines.map(str::to_owned).collect()));
        let record = world.upstream.record();
        let got = record.everything();
        record.clear();
        for (whose, text) in [
            ("the provider got", got.as_slice()),
            ("the log has", log.as_bytes()),
        ] {
            let leaks = canary::leaks(text);
            self.leaks
                .extend(leaks.into_iter().map(|leak| format!("{whose} {leak}")));
        }
    }

    pub(super) fn left(&mut self, usage: Usage, pending: usize) {
        self.usage = usage;
        self.pending = pending;
    }

    /// One line on how it goes.
    pub(super) fn line(&self, elapsed: Duration, of: Duration) -> String {
        format!(
            "{:>4} of {} s: {} calls right, {} failed; {} events; {} leaks",
            elapsed.as_secs(),
            of.as_secs(),
            self.right,
            self.failed.len(),
            self.events.len(),
            self.leaks.len()
        )
    }

    /// What the agent warned of, oldest first.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        let warned = |line: &&String| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
        self.log.iter().flat_map(|(_, lines)| lines).filter(warned)
    }

    /// What the agent wrote while a call went on that should not have failed so.
    pub fn meanwhile(&self) -> impl Iterator<Item = &String> {
        let wrong = |call: &&Call| self.fault(call).is_some();
        let call = self.failed.iter().find(wrong);
        let taken = self.log.iter().scan(0.0, |last, (at, lines)| {
            let from = std::mem::replace(last, *at);
            Some((from, *at, lines))
        });
        let meanwhile = taken.filter(move |(from, until, _)| {
            call.is_some_and(|call| *from < call.ended && call.began < *until)
        });
        meanwhile.flat_map(|(_, _, lines)| lines)
    }

    /// Calls that were answered right.
    pub fn right(&self) -> u64 {
        self.right
    }

    /// Everything that was not as promised; empty where all is well.
    pub fn violations(&self) -> Vec<String> {
        let mut found = self.leaks.clone();
        found.extend(self.failed.iter().filter_map(|call| self.fault(call)));
        let stalled = |event: &Happened| event.event == Event::Stall;
        if self.longest > BOUND && !self.events.iter().any(stalled) {
            found.push(format!("a call took {:.1} s", self.longest));
        }
        for outage in &self.events {
            let allowed = ((outage.until - outage.from) / RETRY).ceil().max(1.0) as usize;
            for (client, calls) in self.refused(outage) {
                if calls.len() > allowed {
                    found.push(format!(
                        "{outage:.2?}: {client} was refused by it in {calls:.2?}"
                    ));
                }
            }
        }
        if self.pending > 0 {
            found.push(format!("{} hand-offs are left", self.pending));
        }
        found.extend(self.usage.violations());
        found
    }

    /// Why a call that failed should not have.
    fn fault(&self, call: &Call) -> Option<String> {
        match call.outcome {
            Outcome::Right | Outcome::Closed => None,
            Outcome::Refused | Outcome::Cut | Outcome::Own if self.outage(call).is_some() => None,
            Outcome::Stuck
                if self
                    .outage(call)
                    .is_some_and(|outage| outage.event == Event::Stall) =>
            {
                None
            }
            _ => {
                let begun = self.events.iter().filter(|event| event.from < call.ended);
                let last = begun.max_by(|a, b| a.from.total_cmp(&b.from));
                let Call {
                    client,
                    kind,
                    outcome,
                    began,
                    ended,
                    detail,
                } = call;
                Some(format!(
                    "{client}, {kind}: {outcome:?} from {began:.2} to {ended:.2}: {detail} (the last event: {last:.2?})"
                ))
            }
        }
    }

    /// What a failure may be owed to: the last outage that had begun when it ended, and was not long over when it began.
    fn outage(&self, call: &Call) -> Option<&Happened> {
        let owed = |happened: &&Happened| {
            happened.event.is_outage()
                && happened.from < call.ended
                && call.began < happened.until + AFTERMATH
        };
        let owed = self.events.iter().filter(owed);
        owed.max_by(|a, b| a.from.total_cmp(&b.from))
    }

    /// Calls that an event refused, by client.
    fn refused(&self, event: &Happened) -> BTreeMap<&str, Vec<&Call>> {
        let mut calls: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let refused = |call: &&Call| matches!(call.outcome, Outcome::Refused | Outcome::Own);
        for call in self.failed.iter().filter(refused) {
            if self
                .outage(call)
                .is_some_and(|outage| outage.from == event.from)
            {
                calls.entry(call.client.as_str()).or_default().push(call);
            }
        }
        calls
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outcomes: BTreeMap<_, u64> = BTreeMap::new();
        for call in &self.failed {
            *outcomes
                .entry(format!("{:?}", call.outcome).to_lowercase())
                .or_default() += 1;
        }
        writeln!(
            f,
            "seed {}: {} calls right, {outcomes:?}",
            self.seed, self.right
        )?;
        writeln!(f, "longest call {:.1} s", self.longest)?;
        let stall = (Event::Stall, 0);
        for (event, _) in Event::ALL.into_iter().chain([stall]) {
            let all: Vec<_> = self
                .events
                .iter()
                .filter(|one| one.event == event)
                .collect();
            let longest = all
                .iter()
                .map(|one| one.until - one.from)
                .fold(0.0, f64::max);
            let most = all
                .iter()
                .flat_map(|one| self.refused(one).into_values())
                .map(|calls| calls.len())
                .max();
            write!(
                f,
                "{:<8} {:>4} times, {longest:.2} s at most",
                format!("{event:?}").to_lowercase(),
                all.len()
            )?;
            match most.filter(|_| event.is_outage()) {
                Some(most) => writeln!(f, ", a client refused {most} times at most in one")?,
                None => writeln!(f)?,
            }
        }
        let Usage {
            thirds,
            calm,
            descriptors,
            namespaces,
        } = self.usage;
        writeln!(
            f,
            "memory: {} KiB in the first third, {} KiB in the last; one process {} KiB, then {} KiB",
            thirds[0], thirds[1], calm[0], calm[1]
        )?;
        writeln!(
            f,
            "left: {descriptors} descriptors, {namespaces} namespace, {} hand-offs, {} leaks",
            self.pending,
            self.leaks.len()
        )
    }
}
