//! Numbers that are the same for the same value in every exchange: derived by a key, so that nobody who counts or
//! guesses hits one. They are longer than any number that is counted.

use std::{collections::HashSet, fmt, sync::Arc};

use aws_lc_rs::hmac;

/// Decimal digits of a keyed number: some 60 bits.
pub(in crate::mask) const DIGITS: usize = 18;
/// The least of them: none begins with 0.
const LEAST: u64 = 10_u64.pow(DIGITS as u32 - 1);
const SPAN: u64 = 9 * LEAST;

/// What a tenant's numbers are derived with.
#[derive(Clone)]
pub struct NumberKey(Arc<hmac::Key>);

impl NumberKey {
    /// The key of HMAC-SHA-256.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The number of a label's value; `counter` is above 0 where the numbers before it stand for other values.
    fn number(&self, label: &str, value: &str, counter: u32) -> u64 {
        let mut hmac = hmac::Context::with_key(&self.0);
        hmac.update(&counter.to_be_bytes());
        hmac.update(&(label.len() as u64).to_be_bytes());
        hmac.update(label.as_bytes());
        hmac.update(value.as_bytes());
        let tag = hmac.sign();
        let first = tag.as_ref().iter().take(8);
        let wide = first.fold(0, |number, &byte| number << 8 | u64::from(byte));
        LEAST + wide % SPAN
    }
}

impl fmt::Debug for NumberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberKey")
    }
}

/// How the values of one exchange are numbered.
#[derive(Clone, Debug, Default)]
pub enum Scheme {
    /// One after the other.
    #[default]
    Counted,
    /// One after the other; the answer may hold keyed tokens of other exchanges, so a literal that looks like one gets a
    /// token of its own.
    Beside,
    /// By key. These tokens stand for other values already.
    Keyed(NumberKey, Arc<HashSet<String>>),
}

impl Scheme {
    /// Whether keyed tokens mean something in this exchange.
    pub fn knows_keyed(&self) -> bool {
        !matches!(self, Self::Counted)
    }
}

/// Numbers that a value may get, in the order in which they are tried.
pub(super) fn numbers(key: &NumberKey, label: &str, value: &str) -> impl Iterator<Item = u64> {
    (0..u32::MAX).map(move |counter| key.number(label, value, counter))
}

/// Whether a number has the length of a keyed one.
pub(super) fn is_keyed(number: u64) -> bool {
    (LEAST..LEAST + SPAN).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_key_label_and_value() {
        let key = NumberKey::new(&[1; 32]);
        let number = key.number("EC2", "a", 0);
        assert_eq!(number, NumberKey::new(&[1; 32]).number("EC2", "a", 0));
        let others = [
            NumberKey::new(&[2; 32]).number("EC2", "a", 0),
            key.number("EC", "2a", 0),
            key.number("EC2", "b", 0),
            key.number("EC2", "a", 1),
        ];
        assert!(!others.contains(&number), "{number} {others:?}");
        for value in 0..1000 {
            let number = key.number("EC2", &value.to_string(), 0);
            assert!(is_keyed(number) && number.to_string().len() == DIGITS);
        }
    }
}
