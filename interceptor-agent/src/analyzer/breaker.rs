//! A circuit breaker: after so many failures in a row nothing is asked for a while, and then one request tries.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) struct Breaker {
    /// Failures in a row that open it.
    most: u32,
    /// How long it stays open.
    rest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    opened: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(most: u32, rest: Duration) -> Self {
        Self {
            most,
            rest,
            state: Mutex::default(),
        }
    }

    /// Whether somebody may ask now. Once it has been open for long enough, one may, and the others once that one succeeded.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.opened {
            None => true,
            Some(opened) if now.duration_since(opened) < self.rest => false,
            Some(_) => {
                state.opened = Some(now);
                true
            }
        }
    }

    /// How it went.
    pub(super) fn ended(&self, well: bool, now: Instant) {
        let mut state = self.state();
        if well {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.most {
            state.opened = Some(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_rests_and_lets_one_try() {
        let (rest, start) = (Duration::from_secs(30), Instant::now());
        let breaker = Breaker::new(3, rest);
        for _ in 0..2 {
            breaker.ended(false, start);
        }
        breaker.ended(true, start);
        for _ in 0..3 {
            assert!(breaker.admits(start), "a success in between starts anew");
            breaker.ended(false, start);
        }
        assert!(!breaker.admits(start) && !breaker.admits(start + rest / 2));
        assert!(breaker.admits(start + rest), "one tries");
        assert!(!breaker.admits(start + rest), "and the others wait for it");
        breaker.ended(false, start + rest);
        assert!(!breaker.admits(start + rest + rest / 2));
        assert!(breaker.admits(start + rest * 2));
        breaker.ended(true, start + rest * 2);
        assert!(breaker.admits(start + rest * 2));
    }
}
