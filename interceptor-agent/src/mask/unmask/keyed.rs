//! Keyed tokens, which other exchanges gave out: seen by their shape, put back once somebody has said what they stand for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use super::{Escaping, Found};
use crate::mask::token::KEYED_DIGITS;

/// Tokens that are remembered from chunk to chunk.
const MOST: usize = 4096;

/// Those that an answer may hold.
pub(super) struct Keyed {
    /// With their underscore, sorted.
    labels: Vec<String>,
    /// What was asked for; None is a literal.
    known: HashMap<String, Option<String>>,
    /// What was seen, and not asked for yet.
    missing: Mutex<BTreeSet<String>>,
}

impl Keyed {
    pub(super) fn new(labels: impl Iterator<Item = &'static str>) -> Self {
        let mut labels: Vec<_> = labels.map(|label| format!("{label}_")).collect();
        labels.sort_unstable();
        Self {
            labels,
            known: HashMap::new(),
            missing: Mutex::default(),
        }
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    pub(super) fn take_missing(&self) -> Vec<String> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *missing).into_iter().collect()
    }

    /// Forgets what is known, if that is much: an answer may be endless.
    pub(super) fn tidy(&mut self) {
        if self.known.len() > MOST {
            self.known.clear();
        }
    }

    pub(super) fn resolve(&mut self, found: Vec<(String, Option<String>)>) {
        self.known.extend(found);
    }

    /// The token that `raw` begins with, if its value is known.
    pub(super) fn token_at(&self, raw: &[u8], escaping: Escaping, last: bool) -> Found<'_> {
        let mut name = String::new();
        let mut at = 0;
        loop {
            let next = escaping.read(&raw[at..]);
            if next.is_none() && !last {
                return Found::Perhaps;
            }
            let ends_here = !next.is_some_and(|(byte, _)| byte.is_ascii_digit());
            if ends_here && self.digits(&name) == Some(KEYED_DIGITS) {
                return self.value(name, at);
            }
            let Some((mut byte, mut length)) = next else {
                return Found::Nothing;
            };
            if byte == b'\\' {
                byte = b'_';
                match escaping.read(&raw[at + length..]) {
                    Some((b'_', more)) => length += more,
                    None if !last => return Found::Perhaps,
                    _ => return Found::Nothing,
                }
            }
            name.push(char::from(byte));
            at += length;
            if !self.begins(&name) {
                return Found::Nothing;
            }
        }
    }

    /// Whether a token may begin so.
    fn begins(&self, name: &str) -> bool {
        let behind = self.labels.partition_point(|label| label.as_str() < name);
        let label = self.labels.get(behind);
        label.is_some_and(|label| label.starts_with(name))
            || self
                .digits(name)
                .is_some_and(|digits| digits <= KEYED_DIGITS)
    }

    /// How many digits stand behind a label and nothing else.
    fn digits(&self, name: &str) -> Option<usize> {
        let digits = &name[name.rfind('_')? + 1..];
        let label = &name[..name.len() - digits.len()];
        let known = || {
            self.labels
                .binary_search_by(|known| known.as_str().cmp(label))
                .is_ok()
        };
        let is_number =
            !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
        (is_number && known()).then_some(digits.len())
    }

    fn value(&self, name: String, length: usize) -> Found<'_> {
        match self.known.get(&name) {
            Some(Some(value)) => Found::Token { value, length },
            Some(None) => Found::Nothing,
            None => {
                let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.insert(name);
                Found::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Pieces, Tokens};
    use crate::mask::{token::TokenMap, unmask::Escaping};

    const FIRST: &str = "EC2_123456789012345678";
    const OTHER: &str = "PRIVATE_IP_987654321098765432";

    fn tokens() -> Tokens {
        let own = [("EC2_001".to_owned(), "i-own".to_owned())];
        let own = Arc::new(TokenMap::from_iter(own));
        Tokens::new(own).with_keyed(["EC2", "PRIVATE_IP", "VPC"].into_iter())
    }

    fn resolved() -> Tokens {
        let mut tokens = tokens();
        tokens.resolve(vec![
            (FIRST.to_owned(), Some("i-\"0\"\n".to_owned())),
            (OTHER.to_owned(), None),
        ]);
        tokens
    }

    fn unmasked(text: &str, escaping: Escaping) -> String {
        let tokens = resolved();
        let out = tokens.unmask(text.as_bytes(), escaping).into_owned();
        assert_eq!(tokens.take_missing(), [""; 0], "{text}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_known_is_told_once_and_stays() {
        let tokens = tokens();
        let text = format!("{FIRST} EC2_001 {FIRST}s, {OTHER}_x \\n{FIRST}");
        let out = tokens.unmask(text.as_bytes(), Escaping::None).into_owned();
        assert_eq!(out, text.replace("EC2_001", "i-own").into_bytes());
        assert_eq!(tokens.take_missing(), [FIRST, OTHER]);
        assert_eq!(tokens.take_missing(), [""; 0]);
    }

    #[test]
    fn a_value_stands_where_its_token_stood() {
        let text = format!("{FIRST}_a {OTHER} x_{FIRST}");
        assert_eq!(
            unmasked(&text, Escaping::None),
            format!("i-\"0\"\n_a {OTHER} x_i-\"0\"\n")
        );
        let markdown = FIRST.replace('_', "\\_");
        assert_eq!(unmasked(&markdown, Escaping::None), "i-\"0\"\n");
        assert_eq!(unmasked(FIRST, Escaping::Json), "i-\\\"0\\\"\\n");
        assert_eq!(
            unmasked(FIRST, Escaping::JsonInJson),
            "i-\\\\\\\"0\\\\\\\"\\\\n"
        );
    }

    #[test]
    fn of_an_endless_answer_little_is_remembered() {
        let mut tokens = resolved();
        tokens.tidy();
        assert!(tokens.unmask(FIRST.as_bytes(), Escaping::None) != FIRST.as_bytes());
        let many = (0..=super::MOST).map(|number| (format!("EC2_{number}"), None));
        tokens.resolve(many.collect());
        tokens.tidy();
        tokens.unmask(FIRST.as_bytes(), Escaping::None);
        assert_eq!(tokens.take_missing(), [FIRST], "it is asked for again");
    }

    #[test]
    fn what_only_looks_alike_is_no_token() {
        for text in [
            "EC2_12345678901234567",
            "EC2_1234567890123456789",
            "EC2_023456789012345678",
            "EC3_123456789012345678",
            "xEC2_123456789012345678",
            "EC2__123456789012345678",
            "EC2_12345678901234567é",
            "EC2\\",
        ] {
            assert_eq!(unmasked(text, Escaping::None), text);
        }
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_is_the_same(
            parts in prop::collection::vec(
                prop::sample::select(vec![FIRST, OTHER, "EC2_001", "EC2_", "12345", " ", "_", "é", "\\_", "EC2\\_123456789012345678"]),
                0..12,
            ),
            size in 1..9_usize,
        ) {
            let text = parts.concat();
            let tokens = resolved();
            let whole = tokens.unmask(text.as_bytes(), Escaping::None).into_owned();
            let mut pieces = Pieces::new(Escaping::None);
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                out.extend_from_slice(&pieces.push(&tokens, piece));
            }
            out.extend_from_slice(&pieces.finish(&tokens, b""));
            prop_assert_eq!(out, whole);
        }
    }
}
