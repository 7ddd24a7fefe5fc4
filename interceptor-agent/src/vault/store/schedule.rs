//! When what has expired is removed: every ten minutes, but not by a clock that was just set ahead.
//!
//! By a clock that is wrong, entries expire that have not; what is removed then does not come back when it is set right.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::now;
use crate::sys;

/// How often.
pub(super) const EVERY: Duration = Duration::from_secs(600);
/// A clock that gains more seconds between two looks was set.
const STEP: u64 = 60;
/// How long it then has to go on, for somebody to see that it is wrong.
const TRUSTED: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Schedule {
    next: Instant,
    /// What [`booted`] was at the last look.
    booted: u64,
}

impl Schedule {
    /// Begins to watch the clock, which may be wrong so far as well, and soon be set right.
    pub(super) fn new(now: Instant, booted: u64) -> Self {
        let next = now + EVERY;
        Self { next, booted }
    }

    /// When it is due, as far as is known.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Looks at the clock; whether it is due.
    pub(super) fn is_due(&mut self, now: Instant, booted: u64) -> bool {
        let gained = booted.saturating_sub(mem::replace(&mut self.booted, booted));
        if gained > STEP {
            tracing::warn!(
                seconds = gained,
                "the clock was set ahead: what has expired in the vault is removed in a day"
            );
            self.next = now + TRUSTED;
        }
        now >= self.next
    }

    /// All that had expired is removed, or can't be now.
    pub(super) fn done(&mut self, now: Instant) {
        self.next = now + EVERY;
    }
}

/// When the machine was started, in seconds since 1970, if its clock is right: later once that was set ahead.
pub(super) fn booted() -> u64 {
    let up = Duration::from_nanos(sys::since_boot(sys::monotonic_now()));
    now().saturating_sub(up.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BOOTED: u64 = 1_800_000_000;

    #[test]
    fn it_is_due_every_ten_minutes() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, BOOTED);
        assert!(!schedule.is_due(start + EVERY - SECOND, BOOTED));
        assert!(schedule.is_due(start + EVERY, BOOTED));
        assert!(schedule.is_due(start + EVERY, BOOTED), "it is not done");
        schedule.done(start + EVERY);
        assert!(!schedule.is_due(start + EVERY + SECOND, BOOTED));
        assert_eq!(schedule.next(), start + EVERY * 2);
    }

    #[test]
    fn a_clock_that_was_set_ahead_has_to_go_on_for_a_day() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, BOOTED);
        let ahead = BOOTED + 365 * 24 * 3600;
        assert!(!schedule.is_due(start + EVERY, ahead));
        assert!(!schedule.is_due(start + EVERY * 2, ahead));
        assert!(!schedule.is_due(start + TRUSTED, BOOTED), "set back");
        assert!(schedule.is_due(start + EVERY + TRUSTED, BOOTED));
    }

    #[test]
    fn a_clock_that_is_a_bit_off_or_was_set_back_is_believed() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, BOOTED);
        assert!(schedule.is_due(start + EVERY, BOOTED + STEP));
        assert!(schedule.is_due(start + EVERY, BOOTED - 24 * 3600));
    }

    #[test]
    fn the_machine_was_started_in_the_past_and_stays_so() {
        let first = booted();
        assert!(first > 0 && first <= now());
        assert!(booted().abs_diff(first) < STEP);
    }
}
