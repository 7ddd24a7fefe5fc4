//! The file and the one thread that writes to it. Lines that can't be written are tried again until they can.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{Message, State};
use crate::metrics::Metrics;

/// Lines that are written at once.
const TOGETHER: usize = 256;

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Sink {
    path: PathBuf,
    file: File,
    /// Whether the file ends within a line that there was no room for: it stays half, and the next begins behind it.
    within_line: bool,
    state: Arc<State>,
    metrics: Metrics,
}

impl Sink {
    pub(super) fn open(path: &Path, state: Arc<State>, metrics: Metrics) -> io::Result<Self> {
        let (file, within_line) = open(path)?;
        Ok(Self {
            file,
            within_line,
            path: path.to_owned(),
            state,
            metrics,
        })
    }

    /// Until nobody is left to send.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let (mut messages, mut text) = (Vec::new(), Vec::new());
        while waiting.blocking_recv_many(&mut messages, TOGETHER) > 0 {
            let mut lines = 0;
            let mut flushed = Vec::new();
            for message in messages.drain(..) {
                match message {
                    Message::Line(line) => {
                        text.extend_from_slice(line.as_bytes());
                        lines += 1;
                    }
                    Message::Look => {}
                    Message::Flush(done) => flushed.push(done),
                }
            }
            self.reopen_if_asked();
            self.write(&text);
            self.metrics.audit_written(lines);
            text.clear();
            for done in flushed {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    /// Returns when all of it is written.
    fn write(&mut self, text: &[u8]) {
        let mut written = 0;
        while written < text.len() {
            let rest = match self.within_line {
                true => b"\n",
                false => &text[written..],
            };
            match self.file.write(rest) {
                Ok(1) if self.within_line => self.within_line = false,
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    self.failed(&failed.err().unwrap_or(io::ErrorKind::WriteZero.into()));
                    thread::sleep(AGAIN);
                    if self.reopen_if_asked() {
                        // Another file has nothing of the line that was begun.
                        let line = text[..written].iter().rposition(|byte| *byte == b'\n');
                        written = line.map_or(0, |end| end + 1);
                    }
                }
            }
        }
        if self.state.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(file = %self.path.display(), "the audit file can be written again");
        }
    }

    fn failed(&self, error: &io::Error) {
        if !self.state.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                file = %self.path.display(),
                %error,
                next_step = "make room for it, or rotate it and send SIGHUP; until then audit.on_failure says what becomes of requests",
                "the audit file can't be written"
            );
        }
    }

    /// Whether there is another file now.
    fn reopen_if_asked(&mut self) -> bool {
        if !self.state.reopen.swap(false, Ordering::Relaxed) {
            return false;
        }
        let opened = open(&self.path);
        match opened {
            Ok((file, within_line)) => {
                (self.file, self.within_line) = (file, within_line);
                true
            }
            Err(error) => {
                tracing::error!(
                    file = %self.path.display(),
                    %error,
                    next_step = "make its folder writable for the agent, then reload again",
                    "the audit file can't be opened anew: the old one is written on"
                );
                false
            }
        }
    }
}

/// The file, and whether it ends within a line.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o640).open(path)?;
    let about = file.metadata()?;
    let Some(last) = about.len().checked_sub(1).filter(|_| about.is_file()) else {
        return Ok((file, false));
    };
    let mut byte = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut byte, last));
    // One that only others may read is taken as it is.
    Ok((file, read.is_ok() && byte != *b"\n"))
}
