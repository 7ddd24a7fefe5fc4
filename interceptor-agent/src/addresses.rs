//! Addresses that are known to serve LLM hosts: resolved from the host list, and learnt from verified connections.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

/// How long an address counts after it was last seen; providers move slowly, and a stale entry only refuses what
/// could not be read anyway.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Most addresses kept; beyond it the oldest are dropped.
const CAPACITY: usize = 16 * 1024;

/// The address book. Reading takes a shared lock and no allocation.
#[derive(Debug, Default)]
pub struct Addresses(RwLock<HashMap<IpAddr, Instant>>);

impl Addresses {
    /// Whether the address serves an LLM host, as far as is known.
    pub fn contains(&self, address: IpAddr) -> bool {
        let book = self.0.read().unwrap_or_else(PoisonError::into_inner);
        book.get(&address.to_canonical())
            .is_some_and(|seen| seen.elapsed() < KEPT)
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        let book = self.0.read().unwrap_or_else(PoisonError::into_inner);
        book.is_empty()
    }

    /// Remembers an address.
    pub fn learn(&self, address: IpAddr) {
        let mut book = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= CAPACITY {
            book.retain(|_, seen| seen.elapsed() < KEPT / 2);
        }
        if book.len() < CAPACITY {
            book.insert(address.to_canonical(), Instant::now());
        }
    }

    /// Resolves names, all at once, and remembers what they resolve to; each address is given to `learnt` too. A name
    /// that doesn't resolve is no error: it may not exist on this network.
    pub async fn resolve(&self, names: impl IntoIterator<Item = String>, learnt: impl Fn(IpAddr)) {
        let mut lookups = JoinSet::new();
        for name in names {
            lookups.spawn(async move {
                let found = tokio::net::lookup_host((name, 443)).await;
                found.map_or_else(|_| Vec::new(), Iterator::collect)
            });
        }
        while let Some(done) = lookups.join_next().await {
            for address in done.into_iter().flatten() {
                self.learn(address.ip());
                learnt(address.ip());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_mapped_forms_are_one() {
        let book = Addresses::default();
        book.learn("::ffff:198.51.100.7".parse().unwrap());
        assert!(book.contains("198.51.100.7".parse().unwrap()));
        assert!(!book.contains("198.51.100.8".parse().unwrap()));
    }
}
