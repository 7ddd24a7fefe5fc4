//! What holds for the embedded store, and for a vault above any.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::config::VaultStore;

/// A folder that is gone when this is.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vault-test-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn config(&self, retention: Duration) -> config::Vault {
        let key_file = self.0.join("key");
        if !key_file.exists() {
            Keys::make(&key_file).unwrap();
        }
        config::Vault {
            key_file,
            retention,
            store: VaultStore::Embedded(self.0.join("store")),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn open(config: &config::Vault) -> Arc<Vault> {
    Arc::new(Vault::open(config, &Metrics::default()).unwrap())
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> TokenMap {
    let pairs = pairs.iter();
    pairs
        .map(|(token, value)| (token.to_string(), value.to_string()))
        .collect()
}

async fn value(tenant: &Tenant, token: &str) -> Option<String> {
    let found = tenant.find(vec![token.to_owned()]).await.unwrap();
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap().1
}

/// Everything in the files below a folder.
fn bytes(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[tokio::test]
async fn what_is_kept_is_found_again_by_its_tenant_alone() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let vault = open(&config);
    let (own, other) = (vault.tenant(Some("finance")), vault.tenant(None));
    let pairs = map(&[("EC2_1", "i-0abcdef"), ("PEM_1", "line\n\"q\" é")]);
    assert_eq!(own.keep(&pairs).await.unwrap(), [""; 0]);
    assert_eq!(own.keep(&pairs).await.unwrap(), [""; 0], "again");
    assert_eq!(value(&own, "PEM_1").await.as_deref(), Some("line\n\"q\" é"));
    assert_eq!(value(&own, "PEM_2").await, None);
    assert_eq!(value(&other, "PEM_1").await, None);
    // Two agents have it open during an upgrade, and one of them dies.
    let successor = open(&config);
    assert_eq!(
        value(&successor.tenant(Some("finance")), "EC2_1")
            .await
            .as_deref(),
        Some("i-0abcdef")
    );
    let later = map(&[("EC2_9", "later")]);
    successor.tenant(None).keep(&later).await.unwrap();
    assert_eq!(value(&other, "EC2_9").await.as_deref(), Some("later"));

    let seen = bytes(&scratch.0.join("store"));
    assert!(seen.len() > 4096);
    for text in ["i-0abcdef", "finance", "PEM_1", "EC2"] {
        assert!(!has(&seen, text), "{text}");
    }
}

#[tokio::test]
async fn a_token_of_another_value_is_told_and_stays() {
    let scratch = Scratch::new();
    let tenant = open(&scratch.config(LONG)).tenant(None);
    tenant.keep(&map(&[("EC2_1", "first")])).await.unwrap();
    let pairs = map(&[("EC2_1", "second"), ("EC2_2", "third")]);
    let taken = tenant.keep(&pairs);
    assert_eq!(taken.await.unwrap(), ["EC2_1"]);
    assert_eq!(value(&tenant, "EC2_1").await.as_deref(), Some("first"));
}

#[tokio::test]
async fn many_are_kept_and_found_in_portions() {
    let scratch = Scratch::new();
    let tenant = open(&scratch.config(LONG)).tenant(None);
    let number = |number: usize| (format!("T_{number:04}"), format!("value {number}"));
    let pairs: TokenMap = (0..2 * PORTION + 1).map(number).collect();
    assert_eq!(tenant.keep(&pairs).await.unwrap(), [""; 0]);
    let tokens = pairs.iter().map(|(token, _)| token.to_owned()).collect();
    let found = tenant.find(tokens).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(token, value)| (token.as_str(), value.as_deref().unwrap()))
        .collect();
    assert_eq!(found, pairs.iter().collect::<Vec<_>>());
    assert_eq!(tenant.keep(&TokenMap::default()).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_has_expired_is_not_found_and_gives_way() {
    let scratch = Scratch::new();
    let config = scratch.config(Duration::from_secs(1));
    let tenant = open(&config).tenant(None);
    tenant.keep(&map(&[("EC2_1", "first")])).await.unwrap();
    assert_eq!(value(&tenant, "EC2_1").await.as_deref(), Some("first"));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(value(&tenant, "EC2_1").await, None);
    let mut desk = Desk::open(&config).unwrap();
    let status = desk.status().unwrap();
    assert_eq!((status.entries, status.expired), (0, 1));
    assert_eq!(desk.purge(false).unwrap(), 1);
    assert_eq!(desk.status().unwrap().expired, 0);
    let again = tenant.keep(&map(&[("EC2_1", "second")])).await;
    assert_eq!(again.unwrap(), [""; 0]);
    assert_eq!(value(&tenant, "EC2_1").await.as_deref(), Some("second"));
}

#[tokio::test]
async fn the_desk_counts_forgets_and_purges() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let vault = open(&config);
    let mut desk = Desk::open(&config).unwrap();
    assert_eq!(desk.status().unwrap().entries, 0);
    for policy in [None, Some("a")] {
        let pairs = map(&[("EC2_1", "x"), ("EC2_2", "y")]);
        vault.tenant(policy).keep(&pairs).await.unwrap();
    }
    let status = desk.status().unwrap();
    assert_eq!((status.entries, status.expired), (4, 0));
    let age = store::now() - status.oldest.unwrap();
    assert!(age < 60 && status.bytes > 0, "{status:?}");
    assert_eq!(
        desk.forget("EC2_1", [None, Some("b")].into_iter()).unwrap(),
        1
    );
    assert_eq!(value(&vault.tenant(None), "EC2_1").await, None);
    assert!(value(&vault.tenant(Some("a")), "EC2_1").await.is_some());
    assert_eq!(desk.purge(false).unwrap(), 0);
    assert_eq!(desk.purge(true).unwrap(), 3);
    assert_eq!(value(&vault.tenant(None), "EC2_2").await, None);
}

#[tokio::test]
async fn what_is_forgotten_is_not_to_be_read_off_the_disk() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    // An agent has it open: its log is not thrown away.
    let tenant = open(&config).tenant(None);
    let pairs = map(&[("EC2_1", "x"), ("EC2_2", "y")]);
    tenant.keep(&pairs).await.unwrap();
    let folder = scratch.0.join("store");
    let other = rusqlite::Connection::open(folder.join("vault.db")).unwrap();
    let mut all = other.prepare("SELECT sealed FROM entries").unwrap();
    let rows = all.query_map((), |row| row.get(0)).unwrap();
    let sealed: Vec<Vec<u8>> = rows.collect::<Result<_, _>>().unwrap();
    let left = || {
        let seen = bytes(&folder);
        let is_there = |sealed: &&Vec<u8>| memchr::memmem::find(&seen, sealed).is_some();
        sealed.iter().filter(is_there).count()
    };
    assert_eq!(left(), 2);
    let mut desk = Desk::open(&config).unwrap();
    assert_eq!(desk.forget("EC2_1", std::iter::once(None)).unwrap(), 1);
    assert_eq!(left(), 1);
    assert_eq!(desk.purge(true).unwrap(), 1);
    assert_eq!(left(), 0);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nothing_older() {
    let scratch = Scratch::new();
    let tenant = open(&scratch.config(LONG)).tenant(None);
    let pairs = map(&[("EC2_1", "x")]);
    tenant.keep(&pairs).await.unwrap();
    let other = rusqlite::Connection::open(scratch.0.join("store/vault.db")).unwrap();
    let written = || -> u64 {
        let sql = "SELECT written FROM entries";
        other.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    let before = written() + 24 * 3600;
    other
        .execute("UPDATE entries SET written = ?1", [before])
        .unwrap();
    tenant.keep(&pairs).await.unwrap();
    assert_eq!(written(), before);
}

#[test]
fn another_key_does_not_fit() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    drop(Desk::open(&config).unwrap());
    std::fs::remove_file(&config.key_file).unwrap();
    let other = scratch.config(LONG);
    let error = Desk::open(&other).err().unwrap().to_string();
    assert!(error.contains("another key"), "{error}");
    std::fs::remove_file(&config.key_file).unwrap();
    let error = Desk::open(&config).err().unwrap().to_string();
    assert!(error.contains("interceptor vault key"), "{error}");
}

#[tokio::test]
async fn a_store_that_can_not_be_written_keeps_nothing() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let tenant = open(&config).tenant(None);
    let file = scratch.0.join("store/vault.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("DROP TABLE entries").unwrap();
    let kept = tenant.keep(&map(&[("EC2_1", "x")])).await;
    assert_eq!(kept, Err(Unavailable));
    assert_eq!(
        tenant.find(vec!["EC2_1".to_owned()]).await,
        Err(Unavailable)
    );
    let shown = tenant.vault.metrics.text();
    assert!(
        shown.contains("interceptor_vault_total{result=\"failed\"} 2"),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Many exchanges at once, of several tenants: each finds what it kept, and nothing of another's.
    #[test]
    fn exchanges_side_by_side_find_what_they_kept(
        writes in prop::collection::vec((0..3_usize, 0..20_u32, "\\PC{0,40}"), 1..40),
    ) {
        let scratch = Scratch::new();
        let config = scratch.config(LONG);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let vault = open(&config);
            let tenants = [Some("a"), Some("b"), None].map(|name| vault.tenant(name));
            let mut kept = std::collections::HashMap::new();
            for (tenant, number, value) in &writes {
                kept.entry((*tenant, format!("T_{number}"))).or_insert(value.clone());
            }
            let tasks: Vec<_> = kept.iter().map(|((tenant, token), value)| {
                let (tenant, pairs) = (tenants[*tenant].clone(), map(&[(token, value)]));
                tokio::spawn(async move { tenant.keep(&pairs).await })
            }).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap().unwrap(), [""; 0]);
            }
            let reopened = open(&config);
            for (at, name) in [Some("a"), Some("b"), None].into_iter().enumerate() {
                let tenant = reopened.tenant(name);
                for number in 0..20 {
                    let token = format!("T_{number}");
                    let expected = kept.get(&(at, token.clone())).cloned();
                    assert_eq!(value(&tenant, &token).await, expected);
                }
            }
        });
    }
}
