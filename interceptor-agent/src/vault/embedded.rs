//! A store in a file of SQLite: in WAL mode, so that two agents can have it open during an upgrade, and synced at every commit.

use std::{
    fs::{DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::store::{Backend, Entry, Id, Purged, Status, StoreError, now};

/// The format of the file.
const FORMAT: i64 = 1;
/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(4);
/// Entries that are purged in one transaction, which others wait for.
const PORTION: u64 = 1000;

const SCHEMA: &str = "
    CREATE TABLE key (fits BLOB NOT NULL);
    CREATE TABLE entries (id BLOB PRIMARY KEY, sealed BLOB NOT NULL, written INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX entries_by_age ON entries (written);
    PRAGMA user_version = 1;";

/// What has expired gives way; what has not stays, and is kept anew: never for less long, also where the clock was set back.
const WRITE: &str = "
    INSERT INTO entries (id, sealed, written) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET
        sealed = CASE WHEN written > ?4 THEN sealed ELSE excluded.sealed END,
        written = max(written, excluded.written)
    RETURNING sealed";

pub(super) struct Embedded {
    place: String,
    database: Connection,
    retention: u64,
}

impl Embedded {
    /// Opens the file in this folder; both are made where they are not there, for nobody but their owner.
    pub(super) fn open(
        folder: &Path,
        check: [u8; 32],
        retention: Duration,
    ) -> Result<Self, StoreError> {
        let file = folder.join("vault.db");
        let place = file.display().to_string();
        made(folder, &file).map_err(|error| StoreError::File {
            place: place.clone(),
            error: error.to_string(),
        })?;
        let open = || -> rusqlite::Result<(Connection, i64, bool)> {
            let mut database = Connection::open(&file)?;
            database.busy_timeout(BUSY)?;
            database.pragma_update(None, "journal_mode", "WAL")?;
            database.pragma_update(None, "synchronous", "FULL")?;
            // What is forgotten is not to be read off free pages.
            database.pragma_update(None, "secure_delete", "ON")?;
            let begun = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut format = begun.query_row("PRAGMA user_version", (), |row| row.get(0))?;
            if format == 0 {
                begun.execute_batch(SCHEMA)?;
                begun.execute("INSERT INTO key (fits) VALUES (?1)", params![check])?;
                format = FORMAT;
            }
            let fits = format == FORMAT
                && begun.query_row("SELECT fits FROM key", (), |row| row.get(0)) == Ok(check);
            begun.commit()?;
            Ok((database, format, fits))
        };
        let (database, format, fits) = open().map_err(|error| failed(&place, &error))?;
        match (format, fits) {
            (FORMAT, true) => Ok(Self {
                place,
                database,
                retention: retention.as_secs(),
            }),
            (FORMAT, false) => Err(StoreError::WrongKey { place }),
            (format, _) => Err(StoreError::Format { place, format }),
        }
    }

    /// What was written then or before has expired.
    fn expired(&self) -> u64 {
        now().saturating_sub(self.retention)
    }

    /// What was removed would stay in the log until others are written over it. Also where nothing was: the last time may
    /// have failed.
    fn empty_log(&mut self) -> Result<(), StoreError> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = self.asked(|database| database.query_row(sql, (), |row| row.get(0)))?;
        match is_busy {
            false => Ok(()),
            true => Err(StoreError::Traces {
                place: self.place.clone(),
            }),
        }
    }

    fn asked<T>(
        &mut self,
        ask: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(&mut self.database).map_err(|error| failed(&self.place, &error))
    }
}

impl Backend for Embedded {
    fn write(&mut self, entries: &[Entry]) -> Result<Vec<Vec<u8>>, StoreError> {
        let (now, expired) = (now(), self.expired());
        self.asked(|database| {
            let begun = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut write = begun.prepare_cached(WRITE)?;
            let standing = entries.iter().map(|Entry { id, sealed }| {
                write.query_row(params![id, sealed, now, expired], |row| row.get(0))
            });
            let standing = standing.collect::<rusqlite::Result<_>>()?;
            drop(write);
            begun.commit()?;
            Ok(standing)
        })
    }

    fn read(&mut self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let expired = self.expired();
        self.asked(|database| {
            let sql = "SELECT sealed FROM entries WHERE id = ?1 AND written > ?2";
            let mut read = database.prepare_cached(sql)?;
            let found = ids.iter().map(|id| {
                let row = read.query_row(params![id, expired], |row| row.get(0));
                row.optional()
            });
            found.collect()
        })
    }

    fn remove(&mut self, ids: &[Id]) -> Result<u64, StoreError> {
        let removed = self.asked(|database| {
            let begun = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut removed = 0;
            for id in ids {
                removed += begun.execute("DELETE FROM entries WHERE id = ?1", params![id])? as u64;
            }
            begun.commit()?;
            Ok(removed)
        })?;
        self.empty_log()?;
        Ok(removed)
    }

    fn purge(&mut self, all: bool) -> Result<Purged, StoreError> {
        let upto = if all { i64::MAX as u64 } else { self.expired() };
        let removed = self.asked(|database| {
            let sql = "DELETE FROM entries WHERE id IN
                (SELECT id FROM entries WHERE written <= ?1 LIMIT ?2)";
            Ok(database.execute(sql, params![upto, PORTION])? as u64)
        })?;
        let more = removed == PORTION;
        if !more {
            self.empty_log()?;
        }
        Ok(Purged { removed, more })
    }

    fn status(&mut self) -> Result<Status, StoreError> {
        let expired = self.expired();
        self.asked(|database| {
            let sql = "SELECT count(*) FILTER (WHERE written > ?1),
                    count(*) FILTER (WHERE written <= ?1), min(written),
                    (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)
                FROM entries";
            database.query_row(sql, params![expired], |row| {
                Ok(Status {
                    entries: row.get(0)?,
                    expired: row.get(1)?,
                    oldest: row.get(2)?,
                    bytes: row.get(3)?,
                })
            })
        })
    }
}

fn made(folder: &Path, file: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // SQLite gives its other files the same rights.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(file)?;
    Ok(())
}

fn failed(place: &str, error: &rusqlite::Error) -> StoreError {
    StoreError::Database {
        place: place.to_owned(),
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
