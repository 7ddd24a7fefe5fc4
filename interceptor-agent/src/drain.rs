//! One primitive that tells every task to finish, with a deadline.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tracks the agent's tasks. Clones share the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    token: CancellationToken,
    hurry: CancellationToken,
    over: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// Runs a task that a drain waits for.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// The same, on another runtime than the caller's.
    pub fn spawn_on(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, runtime);
    }

    /// Tasks that have not finished.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is left.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Resolves once a drain has begun.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Whether a drain has begun.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Tells a drain that takes its time not to. That is for good.
    pub fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Resolves once that was told.
    pub async fn hurried(&self) {
        self.hurry.cancelled().await;
    }

    /// Resolves once the time to finish in is over.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Tells every task to finish and waits. `false`: the deadline passed with tasks left.
    pub async fn finish(&self, deadline: impl Future<Output = ()>) -> bool {
        self.token.cancel();
        self.tasks.close();
        let finished = tokio::select! {
            () = self.tasks.wait() => true,
            () = deadline => false,
        };
        self.over.cancel();
        finished
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_tasks_until_the_deadline() {
        let drain = Drain::default();
        let inner = drain.clone();
        drain.spawn(async move { inner.begun().await });
        assert!(drain.finish(sleep(Duration::from_secs(1))).await);

        let drain = Drain::default();
        drain.spawn(std::future::pending());
        let inner = drain.clone();
        drain.spawn(async move { inner.over().await });
        assert!(!drain.finish(sleep(Duration::from_secs(1))).await);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(drain.len(), 1);
    }
}
