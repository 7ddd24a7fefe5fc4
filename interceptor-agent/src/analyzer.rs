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

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, timeout},
};

use crate::{
    config,
    mask::request::{Named, Outside},
    recent::Recent,
};
use breaker::Breaker;

/// Most bytes of findings that are remembered, by text.
const CACHE: usize = 8 << 20;

/// All texts of a request have this many times as long as one has.
const ALL: u32 = 10;

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
        let all = all.unwrap_or(Err(AnalyzerError::Late));
        self.breaker.ended(all.is_ok(), Instant::now());
        for (text, found) in all? {
            self.cache().put(self.key(&text), Arc::clone(&found));
            outside.add(text, found);
        }
        Ok(outside)
    }

    async fn ask_all(
        self: &Arc<Self>,
        texts: Vec<String>,
    ) -> Result<Vec<(String, Found)>, AnalyzerError> {
        let share = texts.len().div_ceil(self.config.concurrency);
        let mut tasks = JoinSet::new();
        for texts in texts.chunks(share) {
            let (analyzer, texts) = (Arc::clone(self), texts.to_vec());
            tasks.spawn(async move { analyzer.ask_some(texts).await });
        }
        let mut all = Vec::new();
        while let Some(some) = tasks.join_next().await {
            all.extend(some.map_err(|_| AnalyzerError::Unreachable)??);
        }
        Ok(all)
    }

    /// One after the other, on one connection.
    async fn ask_some(&self, texts: Vec<String>) -> Result<Vec<(String, Found)>, AnalyzerError> {
        let _slot = self.slots.acquire().await;
        let patience: Duration = self.config.timeout;
        let late = |_| AnalyzerError::Late;
        let mut connection = timeout(patience, call::connect(&self.config.at))
            .await
            .map_err(late)??;
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            let body = timeout(patience, connection.post(&self.config, &text))
                .await
                .map_err(late)??;
            let found = call::read(&self.config, &text, &body)?;
            all.push((text, found.into()));
        }
        Ok(all)
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
