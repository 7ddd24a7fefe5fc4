//! Addresses that are known to serve LLM hosts: resolved from the host list, and learnt from verified connections.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::JoinSet};

/// How long an address counts after it was last seen; providers move slowly, and a stale entry only refuses what
/// could not be read anyway.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Most addresses kept; beyond it the oldest are dropped.
const CAPACITY: usize = 16 * 1024;

/// Most names kept that were verified; beyond it no more are.
const MOST_NAMES: usize = 256;

/// How many names are looked up at once: each takes a thread, for many seconds where nobody answers.
const AT_ONCE: usize = 4;

/// The address book. Reading takes a shared lock and no allocation.
#[derive(Debug, Default)]
pub struct Addresses {
    book: RwLock<HashMap<IpAddr, Instant>>,
    /// Names that were verified to be of an LLM host.
    verified: RwLock<BTreeSet<String>>,
    /// Held by who resolves.
    turn: Mutex<()>,
    /// Held by who is next.
    next: Mutex<()>,
}

impl Addresses {
    /// Whether the address serves an LLM host, as far as is known.
    pub fn contains(&self, address: IpAddr) -> bool {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.get(&address.to_canonical())
            .is_some_and(|seen| seen.elapsed() < KEPT)
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.is_empty()
    }

    /// Remembers an address.
    pub fn learn(&self, address: IpAddr) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= CAPACITY {
            book.retain(|_, seen| seen.elapsed() < KEPT / 2);
        }
        if book.len() < CAPACITY {
            book.insert(address.to_canonical(), Instant::now());
        }
    }

    /// Remembers a name that a pattern stands for, so that its other addresses can be resolved.
    pub fn verified(&self, name: &str) {
        let names = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST_NAMES || names.contains(name) {
            return;
        }
        drop(names);
        let mut names = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned());
    }

    /// The names that were verified.
    pub fn names(&self) -> Vec<String> {
        let names = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        names.iter().cloned().collect()
    }

    /// Resolves names, some at once, and remembers what they resolve to; each address is given to `learnt` too. A name
    /// that doesn't resolve is no error: it may not exist on this network.
    ///
    /// A name that nobody answers for holds a thread for many seconds. So one call resolves at a time, and one waits, which
    /// reads the `names` when its turn comes; others leave it to that one, and return.
    pub async fn resolve(&self, names: impl FnOnce() -> Vec<String>, learnt: impl Fn(IpAddr)) {
        let Ok(next) = self.next.try_lock() else {
            return;
        };
        let _turn = self.turn.lock().await;
        drop(next);
        let mut names = names().into_iter();
        let mut lookups: JoinSet<_> = names.by_ref().take(AT_ONCE).map(look_up).collect();
        while let Some(done) = lookups.join_next().await {
            if let Some(name) = names.next() {
                lookups.spawn(look_up(name));
            }
            for address in done.into_iter().flatten() {
                self.learn(address.ip());
                learnt(address.ip());
            }
        }
    }
}

async fn look_up(name: String) -> Vec<SocketAddr> {
    let found = tokio::net::lookup_host((name, 443)).await;
    found.map_or_else(|_| Vec::new(), Iterator::collect)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn one_resolves_and_one_waits() {
        let book = Addresses::default();
        let read = std::cell::Cell::new(0);
        let resolve = || {
            let names = || {
                read.set(read.get() + 1);
                vec!["127.0.0.1".to_owned()]
            };
            book.resolve(names, |_| ())
        };
        let turn = book.turn.lock().await;
        let mut waiting = std::pin::pin!(resolve());
        let waits = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
        assert!(waits.await.is_pending());
        for _ in 0..3 {
            resolve().await;
        }
        assert_eq!(read.get(), 0);
        drop(turn);
        waiting.await;
        assert_eq!(read.get(), 1);
        resolve().await;
        assert_eq!(read.get(), 2);
        assert!(book.contains("127.0.0.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn more_names_than_are_looked_up_at_once_are_all_resolved() {
        let book = Addresses::default();
        let address = |number| format!("127.0.1.{number}");
        let names = || (0..40).map(address).collect();
        book.resolve(names, |_| ()).await;
        let known = |number: &i32| book.contains(address(*number).parse().unwrap());
        assert_eq!((0..41).filter(known).count(), 40);
    }

    #[test]
    fn a_verified_name_is_kept_once() {
        let book = Addresses::default();
        for name in [
            "b.openai.azure.com",
            "a.openai.azure.com",
            "b.openai.azure.com",
        ] {
            book.verified(name);
        }
        assert_eq!(book.names(), ["a.openai.azure.com", "b.openai.azure.com"]);
        for number in 0..2 * MOST_NAMES {
            book.verified(&number.to_string());
        }
        assert_eq!(book.names().len(), MOST_NAMES);
    }

    #[test]
    fn families_and_mapped_forms_are_one() {
        let book = Addresses::default();
        book.learn("::ffff:198.51.100.7".parse().unwrap());
        assert!(book.contains("198.51.100.7".parse().unwrap()));
        assert!(!book.contains("198.51.100.8".parse().unwrap()));
    }
}
