//! The key file, and all that is derived from it: for each tenant a key that numbers tokens, one that names entries and one
//! that seals values.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf, hmac, rand,
};

use super::store::Id;
use crate::{
    mask::token::NumberKey,
    private_file::{self, Unfit},
};

/// Bytes of a key file.
const LENGTH: usize = 32;
/// Bytes of AES-GCM's nonce, which stands before what is sealed.
const NONCE: usize = 12;
/// The name of the tenant that no policy is; no policy can be called so.
const TOP: &str = "default";

/// A vault's key.
pub struct Keys(hkdf::Prk);

/// A key file that can't be used, or made. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It can't be read.
    #[error("vault.key_file {path}: {source}; `interceptor vault key` makes one")]
    Unreadable {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error("vault.key_file {path}: others can read it (mode {mode:04o}); chmod 600 {path}")]
    Readable {
        /// As configured.
        path: PathBuf,
        /// Its access rights.
        mode: u32,
    },
    /// It is no key.
    #[error(
        "vault.key_file {path}: not a key of {LENGTH} bytes; `interceptor vault key` makes one"
    )]
    NoKey {
        /// As configured.
        path: PathBuf,
    },
    /// It can't be made; what is there is never overwritten.
    #[error("{path}: {source}; a key that is there is never overwritten")]
    Unmade {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Keys {
    /// Reads a key file, which nobody but its owner may read.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let path = path.to_owned();
        let file = match private_file::open(&path) {
            Ok(file) => file,
            Err(Unfit::File(source)) => return Err(KeyError::Unreadable { path, source }),
            Err(Unfit::Readable(mode)) => return Err(KeyError::Readable { path, mode }),
        };
        let mut key = Vec::new();
        match file.take(LENGTH as u64 + 1).read_to_end(&mut key) {
            Err(source) => Err(KeyError::Unreadable { path, source }),
            Ok(LENGTH) => Ok(Self::new(&key)),
            Ok(_) => Err(KeyError::NoKey { path }),
        }
    }

    /// Makes a key file of random bytes with mode 0600, durably.
    ///
    /// # Errors
    /// There is a file of this name, or none can be made.
    pub fn make(path: &Path) -> Result<(), KeyError> {
        let make = || {
            let mut key = [0; LENGTH];
            rand::fill(&mut key).map_err(|Unspecified| io::Error::other("no randomness"))?;
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(&key)?;
            file.sync_all()?;
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        make().map_err(|source| KeyError::Unmade {
            path: path.to_owned(),
            source,
        })
    }

    pub(super) fn new(key: &[u8]) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, b"interceptor vault 1").extract(key))
    }

    /// What a store remembers of its key, to tell it from another one.
    pub(super) fn check(&self) -> [u8; 32] {
        self.derive("check", "")
    }

    pub(super) fn tenant(&self, policy: Option<&str>) -> Secrets {
        let tenant = policy.unwrap_or(TOP);
        let id = hmac::Key::new(hmac::HMAC_SHA256, &self.derive("id", tenant));
        Secrets {
            tenant: tenant.to_owned(),
            numbers: NumberKey::new(&self.derive("number", tenant)),
            id,
            seal: RandomizedNonceKey::new(&AES_256_GCM, &self.derive("seal", tenant)).ok(),
        }
    }

    fn derive(&self, purpose: &str, tenant: &str) -> [u8; 32] {
        let mut key = [0; 32];
        let info = [purpose.as_bytes(), &[0], tenant.as_bytes()];
        let derived = self.0.expand(&info, hkdf::HKDF_SHA256);
        // HKDF-SHA-256 gives up to 255 times as many bytes.
        let filled = derived.and_then(|derived| derived.fill(&mut key));
        assert!(filled.is_ok(), "HKDF gives as many bytes");
        key
    }
}

/// The keys of one tenant.
pub(super) struct Secrets {
    tenant: String,
    numbers: NumberKey,
    id: hmac::Key,
    /// None where the library has no AES.
    seal: Option<RandomizedNonceKey>,
}

impl Secrets {
    pub(super) fn numbers(&self) -> &NumberKey {
        &self.numbers
    }

    /// The name of a token's entry.
    pub(super) fn id(&self, token: &str) -> Id {
        let mut id = Id::default();
        id.copy_from_slice(hmac::sign(&self.id, token.as_bytes()).as_ref());
        id
    }

    /// The nonce, and the value so that only [`Self::open`] with the same tenant and token reads it.
    pub(super) fn seal(&self, token: &str, value: &str) -> Option<Vec<u8>> {
        let mut sealed = value.as_bytes().to_vec();
        let key = self.seal.as_ref()?;
        let nonce = key.seal_in_place_append_tag(self.about(token), &mut sealed);
        let mut whole = nonce.ok()?.as_ref().to_vec();
        whole.append(&mut sealed);
        Some(whole)
    }

    pub(super) fn open(&self, token: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut value = sealed.to_vec();
        let key = self.seal.as_ref()?;
        let length = key.open_in_place(nonce, self.about(token), &mut value);
        let length = length.ok()?.len();
        value.truncate(length);
        String::from_utf8(value).ok()
    }

    fn about(&self, token: &str) -> Aad<Vec<u8>> {
        Aad::from([self.tenant.as_bytes(), &[0], token.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_tenant_and_token_only() {
        let keys = Keys::new(&[1; LENGTH]);
        let secrets = keys.tenant(Some("a"));
        let sealed = secrets.seal("EC2_1", "i-0abc é").unwrap();
        assert_eq!(secrets.open("EC2_1", &sealed).as_deref(), Some("i-0abc é"));
        assert_ne!(secrets.seal("EC2_1", "i-0abc é").unwrap(), sealed);
        assert!(!sealed.windows(4).any(|part| part == b"0abc"));
        for (opened, what) in [
            (secrets.open("EC2_2", &sealed), "another token"),
            (keys.tenant(None).open("EC2_1", &sealed), "another tenant"),
            (
                Keys::new(&[2; LENGTH])
                    .tenant(Some("a"))
                    .open("EC2_1", &sealed),
                "another key",
            ),
            (secrets.open("EC2_1", &sealed[..20]), "cut"),
            (secrets.open("EC2_1", b""), "nothing"),
        ] {
            assert_eq!(opened, None, "{what}");
        }
    }

    #[test]
    fn every_key_is_another_one() {
        let keys = Keys::new(&[1; LENGTH]);
        let ids = [Some("a"), Some("b"), None].map(|name| keys.tenant(name).id("EC2_1"));
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        let keys = [
            keys.check(),
            keys.derive("id", "a"),
            keys.derive("seal", "a"),
            keys.derive("number", "a"),
        ];
        let unique: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len());
    }

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_only() {
        let folder = std::env::temp_dir().join(format!("vault-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        Keys::make(&path).unwrap();
        let made = fs::read(&path).unwrap();
        assert_eq!(made.len(), LENGTH);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(Keys::make(&path), Err(KeyError::Unmade { .. })));
        assert_eq!(fs::read(&path).unwrap(), made);
        assert!(Keys::load(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Keys::load(&path),
            Err(KeyError::Readable { mode: 0o640, .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(Keys::load(&path), Err(KeyError::NoKey { .. })));
        fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(
            Keys::load(&path),
            Err(KeyError::Unreadable { .. })
        ));
    }
}
