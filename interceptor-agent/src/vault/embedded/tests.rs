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

fn entry(id: u8) -> Entry {
    Entry {
        id: [id; 32],
        sealed: format!("sealed {id}").into(),
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
            "remove" => store.remove(&[[1; 32], [2; 32]]),
            _ => store.purge(true),
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
