//! Worker threads, one a core. A connection stays on one of them to its end, with what it has upstream: nothing of an
//! exchange waits for another thread to wake up.

use std::{
    io,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Shorter than any timeout of an exchange.
const TICK: Duration = Duration::from_millis(500);

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    open: Arc<AtomicUsize>,
    answered: Arc<AtomicBool>,
}

impl Workers {
    /// Starts as many as there are cores that this process may use.
    ///
    /// # Errors
    /// The kernel gives no thread or no epoll instance.
    pub fn start() -> io::Result<Self> {
        let stop = CancellationToken::new();
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        let workers = (0..count).map(|number| Worker::start(number, stop.clone()));
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
            _stop: stop.drop_guard(),
        })
    }

    /// The worker with the fewest connections, and a guard that counts one more while it lives.
    pub fn least_busy(&self) -> (&Handle, Open) {
        let open = |worker: &&Worker| worker.open.load(Ordering::Relaxed);
        // There is one core at least.
        let worker = self
            .workers
            .iter()
            .min_by_key(open)
            .unwrap_or(&self.workers[0]);
        worker.open.fetch_add(1, Ordering::Relaxed);
        (&worker.runtime, Open(Arc::clone(&worker.open)))
    }

    /// Whether every worker has done something since the last call, and asks each for its next sign of life.
    pub fn alive(&self) -> bool {
        let mut all = true;
        for worker in &self.workers {
            let answered = Arc::clone(&worker.answered);
            if answered.swap(false, Ordering::Relaxed) {
                worker
                    .runtime
                    .spawn(async move { answered.store(true, Ordering::Relaxed) });
            } else {
                // It was asked before; asking again would only fill its queue.
                all = false;
            }
        }
        all
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let worker = Self {
            runtime: runtime.handle().clone(),
            open: Arc::default(),
            answered: Arc::new(AtomicBool::new(true)),
        };
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(tick_until(stop)))?;
        Ok(worker)
    }
}

/// Keeps the next timer near: a timer that comes before all others wakes its runtime by a system call, even from within,
/// and the timeouts of an exchange would do that for each request.
async fn tick_until(stop: CancellationToken) {
    let ticking = async {
        loop {
            tokio::time::sleep(TICK).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = ticking => {}
    }
}

/// A connection that a worker has.
#[derive(Debug)]
pub struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_and_go() {
        let workers = Workers::start().unwrap();
        let open: Vec<_> = (0..2 * workers.workers.len())
            .map(|_| workers.least_busy().1)
            .collect();
        let count = |workers: &Workers| {
            let loads = workers.workers.iter();
            loads
                .map(|worker| worker.open.load(Ordering::Relaxed))
                .collect::<Vec<_>>()
        };
        assert!(count(&workers).iter().all(|&open| open == 2));
        drop(open);
        assert!(count(&workers).iter().all(|&open| open == 0));
    }

    #[test]
    fn a_worker_that_hangs_is_not_alive() {
        let workers = Workers::start().unwrap();
        assert!(workers.alive());
        let (runtime, _open) = workers.least_busy();
        let (release, hang) = std::sync::mpsc::channel::<()>();
        runtime.spawn(async move {
            let _ = hang.recv();
        });
        let within_a_second = |alive: bool| {
            (0..100).any(|_| {
                thread::sleep(Duration::from_millis(10));
                workers.alive() == alive
            })
        };
        assert!(within_a_second(false));
        assert!(!workers.alive(), "it does not come back by itself");
        release.send(()).unwrap();
        assert!(within_a_second(true));
    }
}
