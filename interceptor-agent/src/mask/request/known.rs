//! What a request has shown to be a value, found again where nothing around it says so.
//!
//! A model repeats values in its own words ("It is ACCOUNT_001."), clients send those words back with the values in
//! them, and no detector sees an account in twelve bare digits. What was masked once is masked from there on.

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
};

use crate::mask::detector::starts_word;

/// Shorter values, and single words, are in ordinary text for other reasons: a password may be `admin`.
const LEAST_LENGTH: usize = 6;

/// How often a look-up goes on to a shorter value. Only values that begin with one another need it.
const MOST_STEPS: usize = 32;

/// The values of a request so far, each with its label.
#[derive(Clone, Default)]
pub(super) struct Known {
    labels: BTreeMap<String, usize>,
    /// One bit for each pair of bytes that a value begins with; empty as long as there is none.
    begins: Vec<u64>,
}

impl Known {
    /// Remembers a value; says whether it is a new one.
    pub fn learn(&mut self, value: &str, label: usize) -> bool {
        let is_word = value.bytes().all(|byte| byte.is_ascii_alphabetic());
        if value.len() < LEAST_LENGTH || is_word || self.labels.contains_key(value) {
            return false;
        }
        self.labels.insert(value.to_owned(), label);
        let (word, bit) = place(value.as_bytes()[0], value.as_bytes()[1]);
        self.begins.resize(1 << 10, 0);
        self.begins[word] |= bit;
        true
    }

    /// Calls `found` with the place and label of every value in `text`, wherever unmasking could have put one.
    pub fn find(&self, text: &str, mut found: impl FnMut(Range<usize>, usize)) {
        if self.begins.is_empty() {
            return;
        }
        let bytes = text.as_bytes();
        let mut end = 0;
        for (at, pair) in bytes.windows(2).enumerate() {
            let (word, bit) = place(pair[0], pair[1]);
            if self.begins[word] & bit == 0 || at < end || !starts_word(bytes, at) {
                continue;
            }
            if let Some((value, label)) = self.longest_at(&text[at..]) {
                end = at + value.len();
                found(at..end, label);
            }
        }
    }

    /// The longest value that `rest` begins with. One before a digit is part of a longer number.
    fn longest_at(&self, rest: &str) -> Option<(&str, usize)> {
        let mut shared = rest;
        for _ in 0..MOST_STEPS {
            // Of the values that come before `rest`, the last one begins with every value that `rest` begins with.
            let up_to = (Bound::Unbounded, Bound::Included(shared));
            let (value, &label) = self.labels.range::<str, _>(up_to).next_back()?;
            let behind = rest.strip_prefix(value.as_str());
            if behind.is_some_and(|text| !text.starts_with(|next: char| next.is_ascii_digit())) {
                return Some((value, label));
            }
            let alike = value.bytes().zip(rest.bytes());
            let length = alike.take_while(|(a, b)| a == b).count();
            shared = &rest[..rest.floor_char_boundary(length.min(value.len() - 1))];
        }
        None
    }
}

/// Where the bit of a pair of bytes is.
fn place(first: u8, second: u8) -> (usize, u64) {
    let pair = usize::from(first) << 8 | usize::from(second);
    (pair >> 6, 1 << (pair & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[&str]) -> Known {
        let mut known = Known::default();
        for (label, value) in values.iter().enumerate() {
            known.learn(value, label);
        }
        known
    }

    fn found(values: &[&str], text: &str) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        known(values).find(text, |range, label| {
            all.push((text[range].to_owned(), label))
        });
        all
    }

    #[test]
    fn a_value_is_found_where_a_token_could_have_stood() {
        let text =
            r"It is 123456789012, ids123456789012 1234567890123 \n123456789012s é123456789012_x";
        let places = found(&["123456789012"], text);
        assert_eq!(places, vec![("123456789012".to_owned(), 0); 3]);
    }

    #[test]
    fn the_longest_value_wins_however_many_begin_alike() {
        let values = [
            "10.0.0.1",
            "10.0.0.12",
            "10.0.0.1é",
            "10.0.0.1ê",
            "10.0.0.1/8!",
            "10.0.0.9",
        ];
        for (label, value) in values.iter().enumerate() {
            let alone = vec![(value.to_string(), label)];
            assert_eq!(found(&values, &format!("a {value} b")), alone);
        }
        assert_eq!(found(&values, "10.0.0.1è"), [("10.0.0.1".to_owned(), 0)]);
        assert_eq!(found(&values, "10.0.0.128 10.0.0"), []);
    }

    #[test]
    fn what_says_too_little_is_not_remembered() {
        assert!(!Known::default().learn("postgres", 0));
        assert!(!Known::default().learn("pw-1", 0));
        assert!(Known::default().learn("hunter2", 0));
        assert!(!known(&["hunter2"]).learn("hunter2", 1));
    }
}
