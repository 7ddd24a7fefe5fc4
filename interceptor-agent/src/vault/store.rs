//! A store on a thread of its own: what many exchanges ask for at once is one transaction.

mod schedule;

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::oneshot, time};

use self::schedule::{Schedule, booted};

/// Exchanges that may wait.
const ROOM: usize = 1 << 12;
/// Most of them in one transaction.
const GROUP: usize = 256;

/// The name of an entry.
pub(super) type Id = [u8; 32];

/// A sealed value, and its name.
pub(super) struct Entry {
    pub id: Id,
    pub sealed: Vec<u8>,
}

/// A kind of store. It blocks.
pub(super) trait Backend: Send {
    /// Keeps entries from now on for the retention, durably once this returns. One that is there stays, and is kept anew; what
    /// then stands under each name.
    fn write(&mut self, entries: &[Entry]) -> Result<Vec<Vec<u8>>, StoreError>;

    /// What stands under each name and has not expired.
    fn read(&mut self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Removes those that are there, so that they can't be read off a file of this store either; how many.
    fn remove(&mut self, ids: &[Id]) -> Result<u64, StoreError>;

    /// Removes a portion of what has expired, or of `all`; after the last, what was removed can't be read off a file of this
    /// store either.
    fn purge(&mut self, all: bool) -> Result<Purged, StoreError>;

    /// What it holds.
    fn status(&mut self) -> Result<Status, StoreError>;
}

/// What a purge has done.
pub(super) struct Purged {
    /// Entries that it removed.
    pub removed: u64,
    /// Whether there may be more of them.
    pub more: bool,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Entries that have not expired.
    pub entries: u64,
    /// Entries that have, and are still there.
    pub expired: u64,
    /// When the oldest was last written, in seconds since 1970.
    pub oldest: Option<u64>,
    /// Bytes that they take.
    pub bytes: u64,
}

/// A store that can't be used now. Names no entry.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder is not as it should be.
    #[error("{place}: {error}")]
    File {
        /// Which.
        place: String,
        /// What the system said.
        error: String,
    },
    /// The database says no.
    #[error("{place}: {error}")]
    Database {
        /// Which.
        place: String,
        /// What it said.
        error: String,
    },
    /// A program of another version made it.
    #[error("{place}: made by another version of interceptor (format {format})")]
    Format {
        /// Which.
        place: String,
        /// Its number.
        format: i64,
    },
    /// Another key was here first.
    #[error("{place}: written with another key; name its key in vault.key_file, or another store")]
    WrongKey {
        /// Which.
        place: String,
    },
    /// What was removed may still be read off a log that somebody else has in use.
    #[error(
        "{place}: it is removed, but still to be read in its log, which another process has in use; try again"
    )]
    Traces {
        /// Which.
        place: String,
    },
    /// It takes longer than an exchange waits, or too many wait.
    #[error("too slow")]
    Slow,
    /// A value can't be sealed.
    #[error("sealing failed")]
    Crypto,
}

/// A way to the thread.
pub(super) struct Store(SyncSender<Job>);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What one exchange wants to be written.
type Write = (Vec<Entry>, Answer<Vec<Vec<u8>>>);

enum Job {
    Write(Write),
    Read(Vec<Id>, Answer<Vec<Option<Vec<u8>>>>),
}

impl Store {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(backend: Box<dyn Backend>) -> Result<Self, StoreError> {
        let (jobs, waiting) = sync_channel(ROOM);
        let thread = thread::Builder::new().name("vault".into());
        let schedule = Schedule::new(Instant::now(), booted());
        let started = thread.spawn(move || run(backend, &waiting, schedule));
        started
            .map(|_| Self(jobs))
            .map_err(|error: io::Error| StoreError::File {
                place: "a thread".to_owned(),
                error: error.to_string(),
            })
    }

    /// See [`Backend::write`].
    pub(super) async fn write(
        &self,
        entries: Vec<Entry>,
        patience: Duration,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.ask(patience, |answer| Job::Write((entries, answer)))
            .await
    }

    /// See [`Backend::read`].
    pub(super) async fn read(
        &self,
        ids: Vec<Id>,
        patience: Duration,
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.ask(patience, |answer| Job::Read(ids, answer)).await
    }

    async fn ask<T>(
        &self,
        patience: Duration,
        job: impl FnOnce(Answer<T>) -> Job,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(job(answer)).map_err(|_| StoreError::Slow)?;
        match time::timeout(patience, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(StoreError::Slow),
        }
    }
}

fn run(mut backend: Box<dyn Backend>, waiting: &Receiver<Job>, mut schedule: Schedule) {
    loop {
        // A portion before each group that waits: neither waits long for the other.
        if schedule.is_due(Instant::now(), booted()) && !purge(&mut *backend) {
            schedule.done(Instant::now());
        }
        let until = schedule.next().saturating_duration_since(Instant::now());
        let first = match waiting.recv_timeout(until) {
            Ok(job) => job,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => continue,
        };
        let mut writes = Vec::new();
        let jobs = std::iter::once(first).chain(waiting.try_iter().take(GROUP - 1));
        for job in jobs.collect::<Vec<_>>() {
            match job {
                // Nobody waits any more where the exchange is gone.
                Job::Read(ids, answer) => drop(answer.send(backend.read(&ids))),
                Job::Write(write) => writes.push(write),
            }
        }
        if !writes.is_empty() {
            write(&mut *backend, writes);
        }
    }
}

/// Removes a portion of what has expired; whether there may be more.
fn purge(backend: &mut dyn Backend) -> bool {
    match backend.purge(false) {
        Ok(purged) => purged.more,
        Err(error) => {
            tracing::warn!(%error, "the vault was not purged of what has expired");
            false
        }
    }
}

fn write(backend: &mut dyn Backend, writes: Vec<Write>) {
    let (entries, answers): (Vec<_>, Vec<_>) = writes
        .into_iter()
        .map(|(entries, answer)| {
            let count = entries.len();
            (entries, (count, answer))
        })
        .unzip();
    let entries: Vec<Entry> = entries.into_iter().flatten().collect();
    let result = backend.write(&entries);
    let mut standing = result.as_ref().map(|all| all.iter().cloned());
    for (count, answer) in answers {
        let own = match &mut standing {
            Ok(all) => Ok(all.take(count).collect()),
            Err(error) => Err((*error).clone()),
        };
        // As above.
        drop(answer.send(own));
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
