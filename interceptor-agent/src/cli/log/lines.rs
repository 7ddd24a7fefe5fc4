//! Log lines on their way out. A thread of its own writes them, those that come together at once: whoever reads the log
//! slowly, or not at all, holds up no exchange. A warning is waited for, a little: the process may be killed next.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait; lines beyond are lost, and counted.
const MOST: usize = 4 << 20;

/// How long the first of some lines waits for others.
const GATHER: Duration = Duration::from_millis(5);

/// How long a warning waits to be written.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where lines wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    /// Bytes that were ever taken, that must be written soon, and that were written.
    taken: u64,
    urgent: u64,
    written: u64,
    ended: bool,
}

/// Writes what still waits when it is dropped.
#[derive(Debug)]
#[must_use = "lines that still wait when the process ends are lost without it"]
pub(in crate::cli) struct Flush {
    lines: Lines,
    thread: Option<thread::JoinHandle<()>>,
}

impl Lines {
    /// Starts the thread that writes lines to `out`.
    pub(super) fn write_to(out: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let lines = Self::default();
        let thread = {
            let lines = lines.clone();
            thread::Builder::new()
                .name("log".into())
                .spawn(move || lines.run(out))?
        };
        let flush = Flush {
            lines: lines.clone(),
            thread: Some(thread),
        };
        Ok((lines, flush))
    }

    fn run(&self, mut out: impl Write) {
        let mut bytes = Vec::new();
        loop {
            let (lost, ended) = self.take(&mut bytes);
            // Nobody is left to be told of a log that can't be written.
            let _ = out.write_all(&bytes);
            if lost > 0 {
                let _ = writeln!(out, "{lost} log lines were lost");
            }
            self.lock().written += bytes.len() as u64;
            self.0.changed.notify_all();
            bytes.clear();
            if ended {
                return;
            }
        }
    }

    /// Waits for lines and then for more of them, or for the end.
    fn take(&self, into: &mut Vec<u8>) -> (u64, bool) {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.ended;
        let calm = |state: &mut State| state.urgent <= state.written && !state.ended;
        let changed = &self.0.changed;
        let state = changed.wait_while(self.lock(), idle);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let state = changed.wait_timeout_while(state, GATHER, calm);
        let (mut state, _) = state.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, into);
        (mem::take(&mut state.lost), state.ended)
    }

    fn put(&self, line: &[u8], urgent: bool) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MOST {
            state.lost += 1;
            return;
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.taken += line.len() as u64;
        let line = state.taken;
        if urgent {
            state.urgent = line;
        }
        if first || urgent {
            self.0.changed.notify_all();
        }
        if urgent {
            let unwritten = |state: &mut State| state.written < line;
            // A line that is not written in time still waits.
            drop(
                self.0
                    .changed
                    .wait_timeout_while(state, PATIENCE, unwritten),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one line.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.put(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line {
            lines: self,
            urgent: false,
        }
    }

    fn make_writer_for(&'l self, meta: &Metadata<'_>) -> Line<'l> {
        Line {
            lines: self,
            urgent: *meta.level() <= Level::WARN,
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.lock().ended = true;
        self.lines.0.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what is written, once it may.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_lines_are_written_in_order() {
        let out = Slow::default();
        let (lines, flush) = Lines::write_to(out.clone()).unwrap();
        for number in 0..1000 {
            lines.put(format!("line {number}\n").as_bytes(), false);
        }
        drop(flush);
        let expected: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&out.0.lock().unwrap()), expected);
    }

    #[test]
    fn an_urgent_line_is_written_when_put_returns() {
        let out = Slow::default();
        let (lines, _flush) = Lines::write_to(out.clone()).unwrap();
        for number in 0..20 {
            lines.put(b"calm\n", false);
            lines.put(format!("urgent {number}\n").as_bytes(), true);
            let written = out.0.lock().unwrap().clone();
            assert!(written.ends_with(format!("calm\nurgent {number}\n").as_bytes()));
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody() {
        let out = Slow::default();
        let blocked = out.0.lock().unwrap();
        let (lines, flush) = Lines::write_to(out.clone()).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..3 * MOST / line.len() {
            lines.put(&line, false);
        }
        let before = std::time::Instant::now();
        lines.put(b"urgent\n", true);
        assert!(before.elapsed() < 20 * PATIENCE);
        drop(blocked);
        drop(flush);
        let written = out.0.lock().unwrap();
        assert!(written.len() < 3 * MOST);
        assert!(written.ends_with(b" log lines were lost\n"));
    }
}
