//! What stands behind the tokens that providers keep, so that other exchanges can put it back.
//!
//! `keys` derives, seals and opens; `store` asks a [`store::Backend`] on a thread of its own: `embedded` is a file of
//! SQLite, `redis` a server. Neither sees a value, a token or a tenant's name.

mod embedded;
mod keys;
mod redis;
mod store;

use std::{sync::Arc, time::Duration};

use crate::{
    config,
    mask::token::{NumberKey, TokenMap},
    metrics::Metrics,
};
use keys::Secrets;
pub use keys::{KeyError, Keys};
use store::{Backend, Entry, Store};
pub use store::{Status, StoreError};

/// How long an exchange waits for the store, each time that it asks.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most entries that it asks for at once: others wait meanwhile.
const PORTION: usize = 1000;

/// The vault of an agent.
pub struct Vault {
    keys: Keys,
    store: Store,
    metrics: Metrics,
}

/// Why there is no vault. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key is not as it should be.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store can't be opened.
    #[error("vault: {0}")]
    Store(#[from] StoreError),
}

/// The store does not answer, or says no. The operator's side is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vault does not answer")]
pub struct Unavailable;

impl Vault {
    /// Opens the store, and starts the thread that asks it and purges what has expired. An embedded store has to be there;
    /// Redis may come later.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open(config: &config::Vault, metrics: &Metrics) -> Result<Self, VaultError> {
        let keys = Keys::load(&config.key_file)?;
        let store = Store::start(backend(config, &keys)?)?;
        Ok(Self {
            keys,
            store,
            metrics: metrics.clone(),
        })
    }

    /// What belongs to one policy, by its name; None is the top level.
    pub fn tenant(self: &Arc<Self>, policy: Option<&str>) -> Tenant {
        Tenant {
            secrets: Arc::new(self.keys.tenant(policy)),
            vault: Arc::clone(self),
        }
    }
}

/// The part of a vault that one policy has. No other sees it.
#[derive(Clone)]
pub struct Tenant {
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
}

impl Tenant {
    /// What its tokens are numbered with.
    pub fn numbers(&self) -> &NumberKey {
        self.secrets.numbers()
    }

    /// Keeps what stands behind tokens. Where this returns, it is kept for as long as the retention is; the tokens that it
    /// returns already stand for other values.
    ///
    /// # Errors
    /// The store did not take them: nothing with these tokens may leave.
    pub async fn keep(&self, tokens: &TokenMap) -> Result<Vec<String>, Unavailable> {
        let metrics = &self.vault.metrics;
        let entry = |(token, value): (&str, &str)| {
            let sealed = self.secrets.seal(token, value)?;
            let id = self.secrets.id(token);
            Some(Entry { id, sealed })
        };
        let entries: Option<Vec<_>> = tokens.iter().map(entry).collect();
        let written = match entries {
            Some(entries) => self.write(entries).await,
            None => Err(StoreError::Crypto),
        };
        let standing = written.map_err(|error| {
            metrics.vault("failed", 1);
            tracing::error!(
                %error,
                next_step = "see to the store of [vault]; `interceptor vault status` says the same",
                "a request was refused: what its tokens stand for can't be kept"
            );
            Unavailable
        })?;
        metrics.vault("written", tokens.len());
        let taken = tokens.iter().zip(standing).filter_map(|(pair, sealed)| {
            let (token, value) = pair;
            let same = self.secrets.open(token, &sealed).as_deref() == Some(value);
            (!same).then(|| token.to_owned())
        });
        Ok(taken.collect())
    }

    /// Looks tokens up; what is not kept, or has expired, has no value.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn find(
        &self,
        tokens: Vec<String>,
    ) -> Result<Vec<(String, Option<String>)>, Unavailable> {
        let metrics = &self.vault.metrics;
        let sealed = self.read(&tokens).await.map_err(|error| {
            metrics.vault("failed", 1);
            tracing::error!(
                %error,
                next_step = "see to the store of [vault]; `interceptor vault status` says the same",
                "an answer was broken off: what its tokens stand for can't be looked up"
            );
            Unavailable
        })?;
        let found: Vec<_> = tokens
            .into_iter()
            .zip(sealed)
            .map(|(token, sealed)| {
                let value = sealed.and_then(|sealed| self.secrets.open(&token, &sealed));
                (token, value)
            })
            .collect();
        let hits = found.iter().filter(|(_, value)| value.is_some()).count();
        metrics.vault("found", hits);
        metrics.vault("missed", found.len() - hits);
        Ok(found)
    }

    async fn write(&self, mut entries: Vec<Entry>) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut standing = Vec::with_capacity(entries.len());
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(PORTION));
            standing.extend(self.vault.store.write(entries, PATIENCE).await?);
            entries = rest;
        }
        Ok(standing)
    }

    async fn read(&self, tokens: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut sealed = Vec::with_capacity(tokens.len());
        for portion in tokens.chunks(PORTION) {
            let ids = portion.iter().map(|token| self.secrets.id(token));
            let read = self.vault.store.read(ids.collect(), PATIENCE).await?;
            sealed.extend(read);
        }
        Ok(sealed)
    }
}

/// A vault as its commands see it: without a thread, and never a value.
pub struct Desk {
    keys: Keys,
    backend: Box<dyn Backend>,
}

impl Desk {
    /// Opens the store.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open(config: &config::Vault) -> Result<Self, VaultError> {
        let keys = Keys::load(&config.key_file)?;
        let backend = backend(config, &keys)?;
        Ok(Self { keys, backend })
    }

    /// What the store holds.
    ///
    /// # Errors
    /// It does not answer, or was written with another key.
    pub fn status(&mut self) -> Result<Status, StoreError> {
        self.backend.status()
    }

    /// Removes what has expired, or everything; how many entries.
    ///
    /// # Errors
    /// The store does not answer, or its log is in use.
    pub fn purge(&mut self, all: bool) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let purged = self.backend.purge(all)?;
            removed += purged.removed;
            if !purged.more {
                return Ok(removed);
            }
        }
    }

    /// Removes one token of those policies, off the disk too; how many of them had it.
    ///
    /// # Errors
    /// The store does not answer, or its log is in use.
    pub fn forget<'p>(
        &mut self,
        token: &str,
        policies: impl Iterator<Item = Option<&'p str>>,
    ) -> Result<u64, StoreError> {
        let ids = policies.map(|policy| self.keys.tenant(policy).id(token));
        self.backend.remove(&ids.collect::<Vec<_>>())
    }
}

/// Seconds since then, which is in seconds since 1970.
pub(crate) fn age(then: u64) -> u64 {
    store::now().saturating_sub(then)
}

fn backend(config: &config::Vault, keys: &Keys) -> Result<Box<dyn Backend>, StoreError> {
    let (check, retention) = (keys.check(), config.retention);
    Ok(match &config.store {
        config::VaultStore::Embedded(folder) => {
            Box::new(embedded::Embedded::open(folder, check, retention)?)
        }
        config::VaultStore::Redis { url, password_file } => Box::new(redis::Redis::new(
            url,
            password_file.as_deref(),
            check,
            retention,
        )?),
    })
}

#[cfg(test)]
pub(crate) mod tests;
