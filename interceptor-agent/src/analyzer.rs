//! An analyzer outside of the agent that finds names and the like, asked over HTTP as Microsoft's Presidio is: `POST /analyze` with
//! a text, and back come `[{entity_type, start, end, score}]`, in code points.
//!
//! It gets texts before they are masked; the config lets it be on this machine or in a private network only.

mod breaker;
mod call;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    config,
    mask::request::{Named, Outside},
    recent::Recent,
};
use breaker::Breaker;
use call::Connection;

/// Most bytes of findings that are remembered, by text.
const CACHE: usize = 8 << 20;

/// All texts of a request have this many times as long as one has.
const ALL: u32 = 10;

/// What it is asked after it failed with a text, to tell which of the two is at fault.
const SHORT: &str = "Hello";

type Key = ([u64; 2], usize);
type Found = Arc<[Named]>;

/// Why there is no answer. Nothing of a text is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnalyzerError {
    /// No connection, or a broken one.
    #[error("the analyzer can't be reached")]
    Unreachable,
    /// It took too long.
    #[error("the analyzer did not answer in time")]
    Late,
    /// It answered with this status.
    #[error("the analyzer answered with status {0}")]
    Status(u16),
    /// Its answer can't be read, or names places that the text has not.
    #[error("the analyzer's answer makes no sense")]
    Nonsense,
    /// It failed so often that it is not asked for a while.
    #[error("the analyzer has failed repeatedly, and is not asked for a while")]
    Resting,
}

impl AnalyzerError {
    /// Whether an analyzer that is down could be why.
    fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Late | Self::Status(500..))
    }
}

/// Why a text has no answer, and whether others have none either.
struct Failure {
    error: AnalyzerError,
    is_down: bool,
}

/// The analyzer of a config.
pub struct Analyzer {
    config: config::Analyzer,
    slots: Semaphore,
    breaker: Breaker,
    hashers: [RandomState; 2],
    cache: Mutex<Recent<Key, Found>>,
}

impl Analyzer {
    /// Asks nothing yet.
    pub fn new(config: &config::Analyzer) -> Self {
        let size = |found: &Found| 128 + size_of_val::<[Named]>(found);
        Self {
            slots: Semaphore::new(config.concurrency),
            breaker: Breaker::new(config.failures, config.rest),
            config: config.clone(),
            hashers: [RandomState::new(), RandomState::new()],
            cache: Mutex::new(Recent::new(CACHE, size)),
        }
    }

    /// What it finds in these texts; those that it saw of late are not sent again.
    ///
    /// # Errors
    /// When one of them has no answer.
    pub async fn ask(self: &Arc<Self>, texts: BTreeSet<String>) -> Result<Outside, AnalyzerError> {
        let mut outside = Outside::default();
        let mut unknown = Vec::new();
        for text in texts.into_iter().filter(|text| says_something(text)) {
            match self.cache().get(&self.key(&text)) {
                Some(found) => outside.add(text, found),
                None => unknown.push(text),
            }
        }
        if unknown.is_empty() {
            return Ok(outside);
        }
        if !self.breaker.admits(Instant::now()) {
            return Err(AnalyzerError::Resting);
        }
        let all = timeout(self.config.timeout * ALL, self.ask_all(unknown)).await;
        // There was more to ask than time, here or in other requests: nobody's failure.
        let all = all.map_err(|_| AnalyzerError::Late)?;
        let all = all.map_err(|failure| {
            self.breaker.ended(!failure.is_down, Instant::now());
            failure.error
        })?;
        for (text, found) in all {
            outside.add(text, found);
        }
        Ok(outside)
    }

    async fn ask_all(
        self: &Arc<Self>,
        texts: Vec<String>,
    ) -> Result<Vec<(String, Found)>, Failure> {
        let share = texts.len().div_ceil(self.config.concurrency);
        let mut tasks = JoinSet::new();
        for texts in texts.chunks(share) {
            let (analyzer, texts) = (Arc::clone(self), texts.to_vec());
            tasks.spawn(async move { analyzer.ask_some(texts).await });
        }
        let mut all = Vec::new();
        while let Some(some) = tasks.join_next().await {
            let broken = |_| Failure {
                error: AnalyzerError::Unreachable,
                is_down: true,
            };
            all.extend(some.map_err(broken)??);
        }
        Ok(all)
    }

    /// One after the other. A slot is for one text, so that requests take turns; each answer is kept, also where others fail.
    async fn ask_some(&self, texts: Vec<String>) -> Result<Vec<(String, Found)>, Failure> {
        let mut all = Vec::with_capacity(texts.len());
        let mut connection = None;
        for text in texts {
            let _slot = match self.slots.try_acquire() {
                Ok(slot) => Ok(slot),
                // Who waits keeps no connection: an analyzer may serve no other as long as one is open.
                Err(_) => {
                    connection = None;
                    self.slots.acquire().await
                }
            };
            match self.answer(&mut connection, &text).await {
                Ok(found) => {
                    self.breaker.ended(true, Instant::now());
                    self.cache().put(self.key(&text), Arc::clone(&found));
                    all.push((text, found));
                }
                Err(error) => {
                    let is_down = error.is_outage() && self.is_down().await;
                    return Err(Failure { error, is_down });
                }
            }
        }
        Ok(all)
    }

    async fn is_down(&self) -> bool {
        let short = self.answer(&mut None, SHORT).await;
        short.is_err_and(AnalyzerError::is_outage)
    }

    /// What it finds in a text, on the connection that is open, if the other side kept it, or on a new one.
    async fn answer(
        &self,
        open: &mut Option<Connection>,
        text: &str,
    ) -> Result<Found, AnalyzerError> {
        let mut body = Err(AnalyzerError::Unreachable);
        if let Some(connection) = open {
            body = self.in_time(connection.post(&self.config, text)).await;
        }
        if body == Err(AnalyzerError::Unreachable) {
            let connection = self.in_time(call::connect(&self.config.at)).await?;
            let connection = open.insert(connection);
            body = self.in_time(connection.post(&self.config, text)).await;
        }
        Ok(call::read(&self.config, text, &body?)?.into())
    }

    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, AnalyzerError>>,
    ) -> Result<T, AnalyzerError> {
        let asked = timeout(self.config.timeout, asking).await;
        asked.unwrap_or(Err(AnalyzerError::Late))
    }

    fn key(&self, text: &str) -> Key {
        (
            self.hashers.each_ref().map(|hasher| hasher.hash_one(text)),
            text.len(),
        )
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Recent<Key, Found>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers, signs and single letters name nobody.
fn says_something(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).nth(1).is_some()
}

#[cfg(test)]
mod tests;
