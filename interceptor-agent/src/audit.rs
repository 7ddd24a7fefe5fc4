//! The record of every exchange and every refused connection: JSON lines in a file, without any value.
//!
//! Room for an exchange's line is taken before the exchange begins. While lines can't be written, nothing new begins, unless an
//! operator decided otherwise; lines of what had begun wait, and are written when the file takes them.

mod event;
mod sink;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{
        mpsc::{self, OwnedPermit},
        oneshot,
    },
    time,
};

use crate::{config, config::OnFailure, id::Id, metrics::Metrics, original_dst::Steered, who::Who};
pub use event::{Ended, Exchange, Finding, now};
use event::{Others, Refused};
use sink::Sink;

/// Exchanges that may be under way, and lines that may wait.
const ROOM: usize = 1 << 16;

/// How long an exchange waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where records go; nowhere, where none are asked for.
#[derive(Debug, Default)]
pub struct Audit(Option<Queue>);

#[derive(Debug)]
struct Queue {
    lines: mpsc::Sender<Message>,
    state: Arc<State>,
    on_failure: OnFailure,
    metrics: Metrics,
}

/// What the sink and those who wait for it tell each other.
#[derive(Debug, Default)]
struct State {
    /// The last write failed, and its lines wait.
    failing: AtomicBool,
    /// The file is to be opened anew.
    reopen: AtomicBool,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Something in [`State`] changed.
    Look,
    /// What came before is to be written, and then this is to be answered.
    Flush(oneshot::Sender<()>),
}

/// Room for the line of one exchange.
#[derive(Debug)]
pub struct Slot(OwnedPermit<Message>);

/// The file can't be used. The operator is at fault.
#[derive(Debug, thiserror::Error)]
#[error("audit.file {path}: {error}; make its folder, and let the agent write there")]
pub struct NoFile {
    path: PathBuf,
    error: io::Error,
}

/// Records can't be written now, and policy refuses what can't be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit file can't be written")]
pub struct Unwritable;

impl Audit {
    /// Opens the file, which is made with mode 0640 where there is none, and starts the thread that writes to it.
    ///
    /// # Errors
    /// It can't be opened for appending.
    pub fn start(config: Option<&config::Audit>, metrics: &Metrics) -> Result<Self, NoFile> {
        let Some(config) = config else {
            return Ok(Self::default());
        };
        let (lines, waiting) = mpsc::channel(ROOM);
        let state = Arc::<State>::default();
        Sink::open(&config.file, Arc::clone(&state), metrics.clone())
            .and_then(|sink| {
                let thread = std::thread::Builder::new().name("audit".into());
                thread.spawn(move || sink.run(waiting))
            })
            .map_err(|error| NoFile {
                path: config.file.clone(),
                error,
            })?;
        Ok(Self(Some(Queue {
            lines,
            state,
            on_failure: config.on_failure,
            metrics: metrics.clone(),
        })))
    }

    /// Takes room for an exchange's line; None, where it is not recorded.
    ///
    /// # Errors
    /// There is none, or writing fails: the exchange must not begin.
    pub async fn admit(&self) -> Result<Option<Slot>, Unwritable> {
        let Some(queue) = &self.0 else {
            return Ok(None);
        };
        let lines = queue.lines.clone();
        if queue.on_failure == OnFailure::Continue {
            let room = lines.try_reserve_owned().ok();
            queue.metrics.audit_lost(u64::from(room.is_none()));
            return Ok(room.map(Slot));
        }
        if queue.state.failing.load(Ordering::Relaxed) {
            return Err(Unwritable);
        }
        let room = time::timeout(PATIENCE, lines.reserve_owned()).await;
        room.ok()
            .and_then(Result::ok)
            .map(|room| Some(Slot(room)))
            .ok_or(Unwritable)
    }

    /// Records a connection that was steered and refused, `by` the agent or the kernel.
    pub fn refused(&self, id: Id, by: &'static str, reason: &'static str, steered: &Steered) {
        let original = Some(steered.original.0);
        self.tell(1, || {
            let who = Who::of(steered.process.clone());
            let refused = Refused {
                id,
                by,
                reason,
                original,
            };
            refused.line(who.told())
        });
    }

    /// Records how many more calls were refused `by` the kernel for a reason than have a record of their own.
    pub fn refused_others(&self, id: Id, by: &'static str, reason: &'static str, count: u64) {
        self.tell(count, || {
            Others {
                id,
                by,
                reason,
                count,
            }
            .line()
        });
    }

    /// Records a request to a listener that was refused before it was one to a provider.
    pub fn refused_by_listener(&self, id: Id, reason: &'static str, who: &Who) {
        let (by, original) = ("listener", None);
        self.tell(1, || {
            Refused {
                id,
                by,
                reason,
                original,
            }
            .line(who.told())
        });
    }

    /// A refusal for which there is no room is counted as lost: nothing went out.
    fn tell(&self, refusals: u64, line: impl FnOnce() -> String) {
        let Some(queue) = &self.0 else { return };
        match queue.lines.try_reserve() {
            Ok(room) => room.send(Message::Line(line())),
            Err(_) => queue.metrics.audit_lost(refusals),
        }
    }

    /// Whether requests are let in as far as their record goes.
    pub fn is_ready(&self) -> bool {
        let stuck = |queue: &Queue| {
            queue.on_failure == OnFailure::Refuse
                && (queue.state.failing.load(Ordering::Relaxed) || queue.lines.capacity() == 0)
        };
        !self.0.as_ref().is_some_and(stuck)
    }

    /// Opens the file anew, as after somebody renamed it (logrotate). Where that fails the old one is written on.
    pub fn reopen(&self) {
        if let Some(queue) = &self.0 {
            queue.state.reopen.store(true, Ordering::Relaxed);
            // A full queue wakes the sink as well.
            let _ = queue.lines.try_send(Message::Look);
        }
    }

    /// Waits until every exchange that began is recorded and written, but not longer than this. Nothing begins meanwhile.
    pub async fn flush(&self, patience: Duration) {
        let Some(queue) = &self.0 else { return };
        let flushing = async {
            // All the room there is: nobody has any left to fill.
            let mut room = queue.lines.reserve_many(ROOM).await.ok()?;
            let (done, is_done) = oneshot::channel();
            room.next()?.send(Message::Flush(done));
            is_done.await.ok()
        };
        if !matches!(time::timeout(patience, flushing).await, Ok(Some(()))) {
            tracing::error!("some audit records could not be written in time: they are lost");
        }
    }
}

impl Slot {
    /// Hands the line over.
    pub fn fill(self, line: String) {
        self.0.send(Message::Line(line));
    }
}

#[cfg(test)]
mod tests;
