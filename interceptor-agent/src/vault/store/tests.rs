//! The store's thread: what it does when.

use std::sync::{Arc, Mutex};

use super::*;

/// Writes down what it is asked.
#[derive(Clone, Default)]
struct Notes {
    asked: Arc<Mutex<String>>,
    /// Portions to be purged.
    expired: u64,
}

impl Notes {
    fn note(&self, what: char) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Backend for Notes {
    fn write(&mut self, entries: &[Entry]) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(vec![Vec::new(); entries.len()])
    }

    fn read(&mut self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.note('r');
        Ok(vec![None; ids.len()])
    }

    fn remove(&mut self, _: &[Id]) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn purge(&mut self, _: bool) -> Result<Purged, StoreError> {
        self.note('p');
        let more = self.expired > 1;
        self.expired -= u64::from(more);
        Ok(Purged { removed: 1, more })
    }

    fn status(&mut self) -> Result<Status, StoreError> {
        Ok(Status::default())
    }
}

#[test]
fn purging_takes_turns_with_whoever_waits() {
    let notes = Notes {
        expired: 3,
        ..Notes::default()
    };
    let (jobs, waiting) = sync_channel(ROOM);
    for _ in 0..4 * GROUP {
        let (answer, _) = oneshot::channel();
        jobs.try_send(Job::Read(Vec::new(), answer)).ok().unwrap();
    }
    drop(jobs);
    let due = Schedule::new(Instant::now() - schedule::EVERY, booted());
    run(Box::new(notes.clone()), &waiting, due);
    let group = "r".repeat(GROUP);
    assert_eq!(
        *notes.asked.lock().unwrap(),
        format!("p{group}p{group}p{group}{group}")
    );
}
