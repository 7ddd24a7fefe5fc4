//! The file of SQLite while others have it open.

use super::*;
use crate::{
    config::VaultStore,
    vault::tests::{LONG, Scratch},
};

fn folder(scratch: &Scratch) -> std::path::PathBuf {
    match scratch.config(LONG).store {
        VaultStore::Embedded(folder) => folder,
        VaultStore::Redis { .. } => panic!("embedded"),
    }
}

fn entry(number: usize) -> Entry {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Entry {
        id,
        sealed: format!("sealed {number}").into(),
    }
}

#[test]
fn removing_while_another_reads_says_that_the_log_is_in_use() {
    let scratch = Scratch::new();
    let folder = folder(&scratch);
    let mut store = Embedded::open(&folder, [0; 32], LONG).unwrap();
    store.database.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(folder.join("vault.db")).unwrap();
    for removing in ["remove", "purge"] {
        store.write(&[entry(1)]).unwrap();
        let mut remove = || match removing {
            "remove" => store.remove(&[entry(1).id, entry(2).id]),
            _ => store.purge(true).map(|purged| purged.removed),
        };
        let count = "BEGIN; SELECT count(*) FROM entries";
        other.execute_batch(count).unwrap();
        assert!(matches!(remove(), Err(StoreError::Traces { .. })));
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(remove().unwrap(), 0, "it is gone");
        let log = std::fs::read(folder.join("vault.db-wal")).unwrap();
        assert_eq!(log.len(), 0);
    }
}

#[test]
fn many_are_purged_in_portions() {
    let scratch = Scratch::new();
    let mut store = Embedded::open(&folder(&scratch), [0; 32], LONG).unwrap();
    let all: Vec<_> = (0..PORTION as usize + 1).map(entry).collect();
    store.write(&all).unwrap();
    let long_ago = "UPDATE entries SET written = 0";
    store.database.execute(long_ago, ()).unwrap();
    store.write(&[entry(all.len())]).unwrap();
    let mut purge = || {
        let purged = store.purge(false).unwrap();
        (purged.removed, purged.more)
    };
    assert_eq!(
        [purge(), purge(), purge()],
        [(PORTION, true), (1, false), (0, false)]
    );
    assert_eq!(store.status().unwrap().entries, 1);
}
