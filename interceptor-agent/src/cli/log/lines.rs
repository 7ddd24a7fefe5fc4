//! Log lines on their way out. A thread of its own writes them: whoever reads the log slowly, or not at all, holds up no
//! exchange. Lines that come together leave together.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait; lines beyond are lost, and counted.
const MOST: usize = 4 << 20;

/// How long the first of some lines waits for others.
const GATHER: Duration = Duration::from_millis(5);

/// Where lines wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lost: u64,
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
            if lost > 0 {
                bytes.extend_from_slice(format!("{lost} log lines were lost\n").as_bytes());
            }
            // Nobody is left to be told of a log that can't be written.
            let _ = out.write_all(&bytes);
            bytes.clear();
            if ended {
                return;
            }
            thread::sleep(GATHER);
        }
    }

    /// Waits for lines, or for the end.
    fn take(&self, into: &mut Vec<u8>) -> (u64, bool) {
        let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.ended;
        let mut waiting = self
            .0
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut waiting.bytes, into);
        (mem::take(&mut waiting.lost), waiting.ended)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for &Lines {
    /// Takes one line, or forgets it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > MOST {
            waiting.lost += 1;
        } else {
            let first = waiting.bytes.is_empty();
            waiting.bytes.extend_from_slice(line);
            drop(waiting);
            if first {
                self.0.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.lock().ended = true;
        self.lines.0.changed.notify_one();
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
            writeln!(&lines, "line {number}").unwrap();
        }
        drop(flush);
        let expected: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&out.0.lock().unwrap()), expected);
    }

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody() {
        let out = Slow::default();
        let blocked = out.0.lock().unwrap();
        let (lines, flush) = Lines::write_to(out.clone()).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..3 * MOST / line.len() {
            (&lines).write_all(&line).unwrap();
        }
        drop(blocked);
        drop(flush);
        let written = out.0.lock().unwrap();
        assert!(written.len() < 3 * MOST);
        assert!(written.ends_with(b" log lines were lost\n"));
    }
}
