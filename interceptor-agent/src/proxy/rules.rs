//! What a listener asks of its clients, and lets them do.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use http::{HeaderMap, header::PROXY_AUTHORIZATION};
use sha2::{Digest as _, Sha256};

use crate::{
    config::{Listener, Others},
    private_file::{self, Unfit},
    refusal::{Reason, Refusal},
};

/// The rules of one listener.
#[derive(Debug)]
pub struct Rules {
    token: Option<Token>,
    only: Option<u32>,
    /// What becomes of hosts that are no LLM hosts.
    pub others: Others,
}

/// Why a token can't be used. The operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read.
    #[error("listeners.token_file {path}: {source}; name a file that the agent can read")]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "listeners.token_file {path} has mode {mode:04o}: others can read the token; run `chmod 600` on it, and write a \
         new token"
    )]
    Readable {
        /// As configured.
        path: PathBuf,
        /// Its access rights.
        mode: u32,
    },
    /// It holds no token.
    #[error(
        "listeners.token_file {0} holds no token: write one line of {LEAST} to {MOST} letters, digits and punctuation, as \
         `openssl rand -hex 32` prints it"
    )]
    Unusable(PathBuf),
}

const LEAST: usize = 16;
const MOST: usize = 512;

impl Rules {
    /// Reads what the config names.
    ///
    /// # Errors
    /// There is no token in the file, or others can read it.
    pub fn load(listener: &Listener) -> Result<Self, TokenError> {
        let token = listener.token_file.as_deref().map(Token::load);
        Ok(Self {
            token: token.transpose()?,
            only: listener.only,
            others: listener.others,
        })
    }

    /// Whether this user, with these headers, may ask for anything. A user that is not known is none.
    pub(super) fn admit(&self, uid: u32, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.only.is_some_and(|only| only != uid) {
            return Err(Reason::OtherUser.into());
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        match given(headers) {
            Some(given) if token.is(&given) => Ok(()),
            _ => Err(Reason::ProxyAuth.into()),
        }
    }
}

/// A token's SHA-256: the token itself is not kept.
struct Token([u8; 32]);

impl Token {
    fn load(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::File {
            path: path.to_owned(),
            source,
        };
        let file = private_file::open(path).map_err(|unfit| match unfit {
            Unfit::File(source) => failed(source),
            Unfit::Readable(mode) => TokenError::Readable {
                path: path.to_owned(),
                mode,
            },
        })?;
        let mut text = Vec::new();
        file.take(2 * MOST as u64)
            .read_to_end(&mut text)
            .map_err(failed)?;
        let token = text.trim_ascii_end();
        let is_token =
            (LEAST..=MOST).contains(&token.len()) && token.iter().all(u8::is_ascii_graphic);
        match is_token {
            true => Ok(Self(Sha256::digest(token).into())),
            false => Err(TokenError::Unusable(path.to_owned())),
        }
    }

    /// In the same time for every token: digests say nothing about how near one is.
    fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        let differing = self
            .0
            .iter()
            .zip(given)
            .fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// The password of `Basic`, whoever the user, or what stands behind `Bearer` (RFC 7617, RFC 6750).
fn given(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(PROXY_AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(credentials.as_bytes().to_vec()),
        "basic" => {
            let pair = from_base64(credentials)?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some(pair[colon + 1..].to_vec())
        }
        _ => None,
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TOKEN: &str = "0123456789abcdef:x";

    fn rules(text: &str, mode: u32) -> Result<Rules, TokenError> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("interceptor-token-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut listener = Listener::at(crate::config::Endpoint::Path("/x".into()));
        listener.token_file = Some(path.clone());
        let rules = Rules::load(&listener);
        std::fs::remove_file(path).unwrap();
        rules
    }

    fn admits(rules: &Rules, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PROXY_AUTHORIZATION, value.parse().unwrap());
        }
        rules.admit(0, &headers).is_ok()
    }

    #[test]
    fn the_token_is_asked_for_in_either_form() {
        let rules = rules(&format!("{TOKEN}\n"), 0o600).unwrap();
        // Of `any:0123456789abcdef:x`.
        let basic = "Basic YW55OjAxMjM0NTY3ODlhYmNkZWY6eA==";
        let bearer = format!("bearer {TOKEN}");
        assert!(admits(&rules, &[basic]) && admits(&rules, &[&bearer]));
        for wrong in [
            &[][..],
            &[basic, basic],
            &["Basic"],
            &["Basic !"],
            &["Basic YW55"],
            &["Digest x"],
            &["Bearer 0123456789abcdef:"],
            &["Bearer 0123456789abcdef:x0"],
        ] {
            assert!(!admits(&rules, wrong), "{wrong:?}");
        }
        assert!(!format!("{rules:?}").contains("0123"));
    }

    #[test]
    fn a_token_that_others_can_read_is_none() {
        for mode in [0o640, 0o604, 0o666] {
            let error = rules(TOKEN, mode).unwrap_err().to_string();
            assert!(
                error.contains("chmod 600") && !error.contains(TOKEN),
                "{error}"
            );
        }
        for text in [
            "",
            "short",
            "two words that are long",
            "ümlaut-ümlaut-ümlaut",
        ] {
            let error = rules(text, 0o600).unwrap_err();
            assert!(matches!(error, TokenError::Unusable(_)), "{error}");
        }
        assert!(rules(&"x".repeat(MOST + 1), 0o600).is_err());
    }

    #[test]
    fn only_one_user_where_the_listener_is_that_user_s() {
        let rules = Rules {
            token: None,
            only: Some(1000),
            others: Others::Refuse,
        };
        let headers = HeaderMap::new();
        assert!(rules.admit(1000, &headers).is_ok());
        for other in [0, 1001, u32::MAX] {
            assert!(rules.admit(other, &headers).is_err(), "{other}");
        }
    }
}
