//! Tokens like `EC2_001`: their shape, which value each stands for, and canonical numbering; and surrogates, which keep a value's
//! shape.
//!
//! A token in a text is a label, an underscore and the number's digits, with no digit behind them; what
//! stands before the label does not matter. Markdown may have put a backslash before an underscore.

mod keyed;
mod label;
mod numbering;
mod surrogate;

use std::{collections::BTreeMap, fmt};

pub(super) use keyed::DIGITS as KEYED_DIGITS;
pub use keyed::{NumberKey, Scheme};
pub(super) use label::{Labels, LookAlike, Ranges};
pub(super) use numbering::{Literal, Numbering};
pub(super) use surrogate::{goes_on, look_alikes as surrogate_look_alikes};

/// The token of a label's `number`: three digits, more once three don't suffice.
pub(super) fn token(label: &str, number: u64) -> String {
    format!("{label}_{number:03}")
}

/// Which value each token of a request stands for: decoded text, as the client meant it.
///
/// `Debug` shows how many there are, never what they are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenMap {
    values: BTreeMap<String, String>,
}

impl TokenMap {
    /// Whether nothing was masked.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The value behind a token.
    pub fn value(&self, token: &str) -> Option<&str> {
        self.values.get(token).map(String::as_str)
    }

    /// Every token and its value, in the order of tokens.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(token, value)| (token.as_str(), value.as_str()))
    }

    /// Reads a map that [`TokenMap::to_json`] wrote.
    ///
    /// # Errors
    /// When `json` is not an object of strings, or a key is neither a token nor a surrogate.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenMapError> {
        // The parser's own message could quote a value; its position can't.
        let values: BTreeMap<String, String> = serde_json::from_slice(json)
            .map_err(|error| TokenMapError::NotAMap { line: error.line() })?;
        let is_ours = |key: &str| is_token(key) || surrogate::is_surrogate(key);
        match values.keys().find(|key| !is_ours(key)) {
            Some(key) => Err(TokenMapError::NotAToken { length: key.len() }),
            None => Ok(Self { values }),
        }
    }

    /// The map as a JSON object, token to value.
    pub fn to_json(&self) -> String {
        let object = self
            .values
            .iter()
            .map(|(token, value)| (token.clone(), value.clone().into()));
        let mut json = format!("{:#}", serde_json::Value::Object(object.collect()));
        json.push('\n');
        json
    }
}

impl FromIterator<(String, String)> for TokenMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self {
            values: pairs.into_iter().collect(),
        }
    }
}

impl fmt::Debug for TokenMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenMap({} tokens)", self.len())
    }
}

/// A token map file that can't be used; whoever wrote it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum TokenMapError {
    /// Not a JSON object of strings.
    #[error("not a token map: line {line} is not part of a JSON object from tokens to texts")]
    NotAMap {
        /// Where the reader stopped, from 1.
        line: usize,
    },
    /// A key is none. It is not shown: keys and values may have been swapped.
    #[error(
        "not a token map: a key of {length} bytes is neither a token like EC2_001 nor a surrogate"
    )]
    NotAToken {
        /// Length of the key.
        length: usize,
    },
}

/// Whether the whole of `text` has the shape of a token, of whatever label.
fn is_token(text: &str) -> bool {
    let label = |label: &str| {
        let mut words = label.split('_');
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        };
        label.starts_with(|first: char| first.is_ascii_uppercase()) && words.all(word)
    };
    text.rsplit_once('_')
        .is_some_and(|(name, digits)| label(name) && canonical_number(digits).is_some())
}

/// The number that `digits` write, if they write it as [`token`] does: a counted one, or a keyed one.
fn canonical_number(digits: &str) -> Option<u64> {
    let canonical = digits.len() == 3 || (digits.len() > 3 && !digits.starts_with('0'));
    let number = (canonical && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten();
    number.filter(|&number| number <= u64::from(u32::MAX) || keyed::is_keyed(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_more() {
        assert_eq!(
            [1, 42, 999, 1000]
                .map(|number| token("EC2", number))
                .join(" "),
            "EC2_001 EC2_042 EC2_999 EC2_1000"
        );
        for text in [
            "EC2_001",
            "PRIVATE_IP_002",
            "A1_B2_1234",
            "EC2_123456789012345678",
        ] {
            assert!(is_token(text), "{text}");
        }
        for text in [
            "",
            "EC2",
            "EC2_01",
            "EC2_0001",
            "ec2_001",
            "_001",
            "2EC_001",
            "EC2__001",
            "EC2_00a",
            "EC2_+01",
            "EC2_12345678901234567",
            "EC2_1234567890123456789",
        ] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn a_map_survives_json() {
        let pairs = [("EC2_001", "i-0abc"), ("PEM_001", "line\n\"quoted\"\u{1}")];
        let map: TokenMap = pairs
            .iter()
            .map(|(token, value)| (token.to_string(), value.to_string()))
            .collect();
        assert_eq!(TokenMap::from_json(map.to_json().as_bytes()).unwrap(), map);
        assert_eq!(map.iter().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn no_value_shows_in_debug_or_errors() {
        let map: TokenMap = [("EC2_001".to_owned(), "hunter2".to_owned())]
            .into_iter()
            .collect();
        let swapped = TokenMap::from_json(br#"{"hunter2":"EC2_001"}"#).unwrap_err();
        let nested = TokenMap::from_json(br#"{"EC2_001":["hunter2"]}"#).unwrap_err();
        let scalar = TokenMap::from_json(br#""hunter2""#).unwrap_err();
        for shown in [
            format!("{map:?}"),
            swapped.to_string(),
            nested.to_string(),
            format!("{scalar:?}"),
        ] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
