//! How much may be put back at once: a token is short and its value may be long, so the length of what comes in is no limit
//! for what goes out.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts bytes of values since the last [`Self::clear`].
pub(super) struct Room {
    limit: usize,
    put: AtomicUsize,
}

impl Room {
    /// For at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            put: AtomicUsize::new(0),
        }
    }

    /// Whether there is room for a value of so many bytes, which takes it. Once there was none, there is none until cleared.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.put.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.limit
    }

    pub(super) fn clear(&self) {
        self.put.store(0, Relaxed);
    }

    /// The limit, if more was to be put back.
    pub(super) fn exceeded(&self) -> Option<usize> {
        (self.put.load(Relaxed) > self.limit).then_some(self.limit)
    }
}
