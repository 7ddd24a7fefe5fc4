//! A store in Redis, for nodes that share one. Entries are written in one transaction, and Redis forgets them by itself.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use redis::{
    Client, Connection, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, Pipeline,
    RedisResult, cmd, pipe,
};

use super::store::{Backend, Entry, Id, Purged, Status, StoreError, now};
use crate::private_file;

/// How long Redis has for a connection, and for an answer: less than an exchange waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes of a password file.
const MOST: u64 = 4096;

/// Before the name of every entry.
const PREFIX: &[u8] = b"interceptor:vault:";
/// Entries that are looked through at once.
const PORTION: usize = 500;

pub(super) struct Redis {
    place: String,
    info: ConnectionInfo,
    password_file: Option<PathBuf>,
    check: [u8; 32],
    retention: u64,
    /// None where the last one broke.
    connection: Option<Connection>,
}

impl Redis {
    /// Connects when it is asked.
    pub(super) fn new(
        url: &str,
        password_file: Option<&Path>,
        check: [u8; 32],
        retention: Duration,
    ) -> Result<Self, StoreError> {
        let place = url.to_owned();
        let info = url.into_connection_info();
        let info = info.map_err(|error| failed(&place, &error))?;
        Ok(Self {
            place,
            info,
            password_file: password_file.map(Path::to_owned),
            check,
            retention: retention.as_secs(),
            connection: None,
        })
    }

    /// Asks, once more where a kept connection turns out to be broken: everything that is asked can be asked twice.
    fn asked<T>(
        &mut self,
        ask: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        if let Some(connection) = &mut self.connection {
            match ask(connection) {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_timeout() => {
                    self.connection = None;
                    return Err(failed(&self.place, &error));
                }
                Err(_) => self.connection = None,
            }
        }
        let mut connection = self.connected()?;
        let answer = ask(&mut connection).map_err(|error| failed(&self.place, &error))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn connected(&self) -> Result<Connection, StoreError> {
        let mut info = self.info.clone();
        if let Some(file) = &self.password_file {
            let login = info.redis_settings().clone();
            info = info.set_redis_settings(login.set_password(password(file)?));
        }
        let connect = || -> RedisResult<(Connection, Vec<u8>)> {
            let mut connection = Client::open(info)?.get_connection_with_timeout(PATIENCE)?;
            connection.set_read_timeout(Some(PATIENCE))?;
            connection.set_write_timeout(Some(PATIENCE))?;
            let key = [PREFIX, b"key"].concat();
            let mut first = pipe();
            first
                .cmd("SET")
                .arg(&key)
                .arg(&self.check)
                .arg("NX")
                .ignore();
            first.cmd("GET").arg(&key);
            let (check,) = first.query(&mut connection)?;
            Ok((connection, check))
        };
        let (connection, check) = connect().map_err(|error| failed(&self.place, &error))?;
        match check == self.check {
            true => Ok(connection),
            false => Err(StoreError::WrongKey {
                place: self.place.clone(),
            }),
        }
    }

    /// Looks through all entries, some at a time, with what one command says of each.
    fn each<T: FromRedisValue>(
        &mut self,
        add: impl Fn(&mut Pipeline, &[u8]),
        mut fold: impl FnMut(T),
    ) -> Result<(), StoreError> {
        let mut cursor = 0_u64;
        loop {
            let (next, found) = self.asked(|connection| {
                let mut scan = cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg([PREFIX, b"e:*"].concat());
                let (next, names): (u64, Vec<Vec<u8>>) =
                    scan.arg("COUNT").arg(PORTION).query(connection)?;
                let mut all = pipe();
                names.iter().for_each(|name| add(&mut all, name));
                let found: Vec<T> = match names.is_empty() {
                    true => Vec::new(),
                    false => all.query(connection)?,
                };
                Ok((next, found))
            })?;
            found.into_iter().for_each(&mut fold);
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}

impl Backend for Redis {
    fn write(&mut self, entries: &[Entry]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut all = pipe();
        all.atomic();
        for Entry { id, sealed } in entries {
            let name = name(id);
            let life = self.retention;
            let set = all.cmd("SET").arg(&name).arg(sealed);
            set.arg("NX").arg("EX").arg(life).ignore();
            all.cmd("EXPIRE").arg(&name).arg(life).ignore();
            all.cmd("GET").arg(&name);
        }
        self.asked(|connection| all.query(connection))
    }

    fn read(&mut self, ids: &[Id]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut all = cmd("MGET");
        all.arg(ids.iter().map(name).collect::<Vec<_>>());
        self.asked(|connection| all.query(connection))
    }

    fn remove(&mut self, ids: &[Id]) -> Result<u64, StoreError> {
        let mut all = cmd("DEL");
        all.arg(ids.iter().map(name).collect::<Vec<_>>());
        self.asked(|connection| all.query(connection))
    }

    fn purge(&mut self, all: bool) -> Result<Purged, StoreError> {
        let mut removed = 0;
        if all {
            let remove = |all: &mut Pipeline, name: &[u8]| _ = all.cmd("DEL").arg(name);
            self.each(remove, |count: u64| removed += count)?;
        }
        let more = false;
        Ok(Purged { removed, more })
    }

    fn status(&mut self) -> Result<Status, StoreError> {
        let retention = self.retention;
        let mut status = Status::default();
        let mut last = 0;
        let ask = |all: &mut Pipeline, name: &[u8]| {
            all.cmd("TTL").arg(name);
            all.cmd("STRLEN").arg(name);
        };
        self.each(ask, |number: i64| {
            // Time to live and length take turns.
            last += 1;
            let number = u64::try_from(number).unwrap_or(0);
            match last % 2 {
                1 => {
                    let age = retention.saturating_sub(number);
                    let written = now().saturating_sub(age);
                    status.entries += 1;
                    status.oldest = Some(status.oldest.map_or(written, |old| old.min(written)));
                }
                _ => status.bytes += number,
            }
        })?;
        Ok(status)
    }
}

/// The name of an entry in Redis.
fn name(id: &Id) -> Vec<u8> {
    let mut name = [PREFIX, b"e:"].concat();
    for byte in id {
        name.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    name
}

fn password(file: &Path) -> Result<String, StoreError> {
    let failed = |error: String| StoreError::File {
        place: file.display().to_string(),
        error,
    };
    let open = private_file::open(file).map_err(|unfit| match unfit {
        private_file::Unfit::File(error) => failed(error.to_string()),
        private_file::Unfit::Readable(mode) => failed(format!(
            "others can read it (mode {mode:04o}); chmod 600 it"
        )),
    })?;
    let mut password = String::new();
    let read = open.take(MOST).read_to_string(&mut password);
    read.map_err(|error| failed(error.to_string()))?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

fn failed(place: &str, error: &redis::RedisError) -> StoreError {
    StoreError::Database {
        place: place.to_owned(),
        error: error.to_string(),
    }
}
