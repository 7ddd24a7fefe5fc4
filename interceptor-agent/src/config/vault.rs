//! `[vault]`: where the values behind tokens are kept that providers keep.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use toml::de::DeValue;

use super::section::{Bad, Section};
use super::values::{path, retention};

/// `[vault]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// 32 random bytes, which nobody but the agent can read.
    pub key_file: PathBuf,
    /// How long an entry is kept after it was last written.
    pub retention: Duration,
    /// Where.
    pub store: VaultStore,
}

/// Where a vault's entries are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultStore {
    /// In a folder of this machine.
    Embedded(PathBuf),
    /// In a Redis that several nodes may share.
    Redis {
        /// `redis://`, `rediss://` (TLS) or `unix://`; has no password.
        url: String,
        /// A file with the password, which nobody but the agent can read.
        password_file: Option<PathBuf>,
    },
}

impl fmt::Display for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(folder) => folder.display().fmt(f),
            Self::Redis { url, .. } => f.write_str(url),
        }
    }
}

const FOLDER: &str = "/var/lib/interceptor/vault";
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn vault(section: &mut Section<'_>) -> Option<Vault> {
    let key_file = section.required("key_file", path);
    let kept = section.get("retention", retention(Duration::from_secs(1), 3650 * DAY));
    let folder = section.get("path", path);
    let url = section.get("redis", redis_url);
    let password_file = section.get("redis_password_file", path);
    if folder.is_some() && section.has("redis") {
        section.reject(
            "path",
            Bad::new(
                "nothing beside redis",
                "leave out one of the two: entries are kept in one place",
            ),
        );
    }
    if password_file.is_some() && !section.has("redis") {
        section.reject(
            "redis_password_file",
            Bad::new(
                "nothing without redis",
                "name the server too: redis = \"redis://HOST:6379/0\"",
            ),
        );
    }
    let store = match url {
        Some(url) => VaultStore::Redis { url, password_file },
        None => VaultStore::Embedded(folder.unwrap_or_else(|| FOLDER.into())),
    };
    Some(Vault {
        key_file: key_file?,
        retention: kept.unwrap_or(30 * DAY),
        store,
    })
}

/// Where a Redis is, without its password: configs are copied, shown and committed.
fn redis_url(value: &DeValue<'_>) -> Result<String, Bad> {
    let given = value.as_str().unwrap_or_default();
    let bad = |remedy: &str| {
        let bad = Bad::new("a URL like redis://HOST:6379/0, without a password", remedy);
        match given.contains(['@', '?']) {
            true => bad.hidden(),
            false => bad,
        }
    };
    let schemes = ["redis://", "rediss://", "unix://"];
    if !schemes.iter().any(|scheme| given.starts_with(scheme)) {
        return Err(bad("begin it with redis://, rediss:// (TLS) or unix://"));
    }
    let info = given.into_connection_info();
    let info = info.map_err(|_| bad("write host, port and number of the database"))?;
    if info.redis_settings().password().is_some() {
        return Err(bad(
            "configs are copied and shown: write the password into a file of mode 0600, and name that as redis_password_file",
        ));
    }
    if given.contains(['?', '#'])
        || matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. })
    {
        return Err(bad(
            "leave out everything behind ? and #: certificates are always verified",
        ));
    }
    Ok(given.to_owned())
}
