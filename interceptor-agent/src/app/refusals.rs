//! What the kernel refused, told to people: call by call, and in a flood, which any process can make, by count.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use interceptor_common::{Counter, Event, Reason};

use super::App;
use crate::{
    id::Id,
    steering::ebpf::{Ebpf, Refused, Ring},
};

/// Calls refused for one reason that are told of one by one, at once.
const AT_ONCE: f64 = 50.0;

/// And a second, from there on.
const A_SECOND: f64 = 10.0;

/// How many calls may be told of one by one, and how many were told of at all.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    by_reason: [Quota; Counter::ALL.len()],
    /// Some were not told of one by one, and the ring buffer may have lost others.
    is_flood: bool,
}

/// A token bucket.
#[derive(Debug)]
struct Quota {
    left: f64,
    since: Instant,
    /// Of all that the kernel has counted, those that were there before this agent or that a line told of.
    told: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            left: AT_ONCE,
            since: Instant::now(),
            told: 0,
        }
    }
}

impl Refusals {
    /// What the kernel has counted so far is not this agent's to tell.
    pub(super) fn begin(&self, counted: impl Fn(Counter) -> u64) {
        self.with(|told| {
            for reason in reasons() {
                told.of(reason).told = counted(reason.counter());
            }
        });
    }

    /// Whether this call gets a line.
    pub(super) fn take(&self, reason: Reason) -> bool {
        self.with(|told| {
            let is_told = told.of(reason).take(Instant::now());
            told.is_flood |= !is_told;
            is_told
        })
    }

    /// After a flood: how many calls no line told of, by reason. From here on they count as told.
    fn rest(&self, counted: impl Fn(Counter) -> u64) -> Vec<(Reason, u64)> {
        self.with(|told| {
            if !mem::take(&mut told.is_flood) {
                return Vec::new();
            }
            let rest =
                reasons().map(|reason| (reason, told.of(reason).rest(counted(reason.counter()))));
            rest.filter(|(_, count)| *count > 0).collect()
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Told) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Told {
    fn of(&mut self, reason: Reason) -> &mut Quota {
        &mut self.by_reason[reason.counter() as usize]
    }
}

impl Quota {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.since).as_secs_f64();
        self.left = (self.left + passed * A_SECOND).min(AT_ONCE);
        self.since = now;
        let is_told = self.left >= 1.0;
        if is_told {
            self.left -= 1.0;
            self.told += 1;
        }
        is_told
    }

    fn rest(&mut self, counted: u64) -> u64 {
        let rest = counted.saturating_sub(self.told);
        self.told += rest;
        rest
    }
}

fn reasons() -> impl Iterator<Item = Reason> {
    (1..).map_while(Reason::from_number)
}

/// Whether it is a connection that was refused for what it is: a stream that was caught is steered when it is tried again, and
/// without a route there would be none anyhow.
fn is_recorded(reason: Reason) -> bool {
    !matches!(reason, Reason::Caught | Reason::Unreachable)
}

/// Tells of calls as they are refused, for ever.
pub(super) async fn report(app: Arc<App>, refused: Ring<Event>) {
    let ended = refused.each(|event| {
        let Some(refused) = Refused::new(event) else {
            return;
        };
        let name = refused.reason.counter().as_str();
        app.metrics.refused(name);
        if !app.refusals.take(refused.reason) {
            return;
        }
        let (id, process) = (Id::new(), &refused.call.process);
        if is_recorded(refused.reason) {
            app.audit.refused(id, "kernel", name, &refused.call);
        }
        tracing::info!(
            %id,
            reason = name,
            original = %refused.call.original.0,
            pid = process.known_pid(),
            uid = process.known_uid(),
            comm = process.comm,
            "the kernel refused a call"
        );
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "the kernel's events can't be read");
    }
}

/// Tells how many others there were.
pub(super) fn tell_rest(app: &App, ebpf: &Ebpf) {
    for (reason, count) in app.refusals.rest(|counter| ebpf.counter(counter)) {
        let (id, name) = (Id::new(), reason.counter().as_str());
        if is_recorded(reason) {
            app.audit.refused_others(id, "kernel", name, count);
        }
        tracing::info!(%id, reason = name, count, "the kernel refused more calls than are told of one by one");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_is_told_of_by_count_and_what_comes_later_one_by_one_again() {
        let (mut quota, begun) = (Quota::default(), Instant::now());
        let told = |quota: &mut Quota, calls: u32, at: f64| {
            let at = begun + Duration::from_secs_f64(at);
            (0..calls).filter(|_| quota.take(at)).count()
        };
        assert_eq!(told(&mut quota, 1000, 0.0), 50);
        assert_eq!(told(&mut quota, 1000, 2.0), 20);
        // Some of them the buffer lost.
        assert_eq!(quota.rest(5000), 5000 - 70);
        assert_eq!(quota.rest(5000), 0);
        assert_eq!(told(&mut quota, 40, 60.0), 40);
        assert_eq!(quota.rest(5040), 0);
    }

    #[test]
    fn reasons_do_not_share_lines_and_what_was_before_is_not_told() {
        let refusals = Refusals::default();
        refusals.begin(|_| 7);
        assert_eq!((0..100).filter(|_| refusals.take(Reason::Bind)).count(), 50);
        assert!(refusals.take(Reason::Straight));
        let counted = |counter| match counter {
            Counter::RefusedBind => 107,
            Counter::RefusedStraight => 8,
            // Lost by a buffer that was full of others.
            Counter::Missed => 9,
            _ => 7,
        };
        let rest = refusals.rest(counted);
        assert_eq!(rest, [(Reason::Bind, 50), (Reason::Missed, 2)]);
        assert_eq!(refusals.rest(counted), []);
    }
}
