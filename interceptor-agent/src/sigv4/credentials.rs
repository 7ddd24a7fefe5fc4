//! Credentials from a file, as the AWS tools have it (`~/.aws/credentials`).

use std::{
    fmt,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::private_file::{self, Unfit};

/// A key to sign with. `Debug` shows no part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
}

/// Why credentials can't be used. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file can't be read.
    #[error("bedrock.credentials_file {path}: {source}; name a file that the agent can read")]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "bedrock.credentials_file {path} has mode {mode:04o}: others can read the key; run `chmod 600` on it, and make a new key"
    )]
    Readable {
        /// As configured.
        path: PathBuf,
        /// Its access rights.
        mode: u32,
    },
    /// It has no such profile, or one without a key.
    #[error(
        "bedrock.credentials_file {path} has no [{profile}] with aws_access_key_id and aws_secret_access_key; name one that has as bedrock.profile"
    )]
    Profile {
        /// As configured.
        path: PathBuf,
        /// As configured.
        profile: String,
    },
}

/// Files are small; what is longer is another file.
const MOST: u64 = 1 << 20;

impl Credentials {
    /// Reads a profile of a file that nobody else can read.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn load(path: &Path, profile: &str) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::File {
            path: path.to_owned(),
            source,
        };
        let file = private_file::open(path).map_err(|unfit| match unfit {
            Unfit::File(source) => failed(source),
            Unfit::Readable(mode) => CredentialsError::Readable {
                path: path.to_owned(),
                mode,
            },
        })?;
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).map_err(failed)?;
        Self::of_profile(&text, profile).ok_or_else(|| CredentialsError::Profile {
            path: path.to_owned(),
            profile: profile.to_owned(),
        })
    }

    /// The example of AWS's documents, good for nothing.
    #[cfg(test)]
    pub fn example() -> Self {
        Self {
            access_key: concat!("AKID", "EXAMPLE").to_owned(),
            secret_key: concat!("wJalrXUtnFEMI/K7MDENG+", "bPxRfiCYEXAMPLEKEY").to_owned(),
            session_token: None,
        }
    }

    fn of_profile(text: &str, profile: &str) -> Option<Self> {
        let (mut inside, mut access_key, mut secret_key, mut session_token) =
            (false, None, None, None);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                inside = name.trim() == profile;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| inside) else {
                continue;
            };
            let value = value.trim().to_owned();
            match key.trim() {
                "aws_access_key_id" => access_key = Some(value),
                "aws_secret_access_key" => secret_key = Some(value),
                "aws_session_token" => session_token = Some(value),
                _ => {}
            }
        }
        let usable = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        Some(Self {
            access_key: access_key.filter(usable)?,
            secret_key: secret_key.filter(usable)?,
            session_token: session_token.filter(usable),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const FILE: &str = "# comment\n[default]\naws_access_key_id = one\naws_secret_access_key=hunter2\n\n[ ci ]\naws_access_key_id=two\naws_secret_access_key = hunter3\naws_session_token = token\n[half]\naws_access_key_id = three\n";

    #[test]
    fn profiles_are_found() {
        let of = |profile| Credentials::of_profile(FILE, profile);
        let key = |access: &str, secret: &str, token: Option<&str>| Credentials {
            access_key: access.to_owned(),
            secret_key: secret.to_owned(),
            session_token: token.map(str::to_owned),
        };
        assert_eq!(of("default"), Some(key("one", "hunter2", None)));
        assert_eq!(of("ci"), Some(key("two", "hunter3", Some("token"))));
        assert_eq!((of("half"), of("none")), (None, None));
    }

    #[test]
    fn a_file_that_cannot_be_used_says_why_and_shows_nothing() {
        let path =
            std::env::temp_dir().join(format!("interceptor-credentials-{}", std::process::id()));
        let said = |profile| format!("{:?} {0}", Credentials::load(&path, profile).unwrap_err());
        assert!(said("default").contains("agent can read"));
        fs::write(&path, FILE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said("default").contains("0640"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(said("half").contains("[half]"));
        let loaded = Credentials::load(&path, "default").unwrap();
        assert!(!format!("{loaded:?}").contains("hunter"));
        fs::remove_file(&path).unwrap();
    }
}
