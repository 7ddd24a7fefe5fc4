//! Which number each value of a label gets: the next one that no literal in the conversation so far uses, or one by key.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Labels, Scheme, TokenMap,
    keyed::{is_keyed, numbers},
    surrogate::{Surrogates, goes_on},
    token,
};

/// What an entry takes beside its text, about, in bytes.
pub(super) const ENTRY: usize = 64;

/// The tokens of one request.
#[derive(Clone)]
pub(in crate::mask) struct Numbering<'l> {
    labels: &'l Labels,
    scheme: Scheme,
    /// By label index; few of the many labels occur in a request.
    numbers: BTreeMap<usize, Numbers>,
    surrogates: Surrogates,
    held: usize,
}

/// A text of the request that looks like a token or a surrogate, and keeps its own meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mask) enum Literal {
    /// The label's index, and the number.
    Token(usize, u64),
    Surrogate(Box<str>),
}

#[derive(Clone, Default)]
struct Numbers {
    last: u64,
    reserved: HashSet<u64>,
    by_value: HashMap<String, u64>,
    /// Those that were given by key.
    keyed: HashSet<u64>,
}

impl<'l> Numbering<'l> {
    pub fn new(labels: &'l Labels, scheme: Scheme) -> Self {
        Self {
            labels,
            scheme,
            numbers: BTreeMap::new(),
            surrogates: Surrogates::default(),
            held: 0,
        }
    }

    /// What it holds, about, in bytes: values, and literals that look like tokens. It grows with each new one.
    pub fn held(&self) -> usize {
        self.held + self.surrogates.held()
    }

    /// Whether this was given to a value, in this exchange or, as far as can be seen, in another one.
    pub fn is_taken(&self, literal: &Literal) -> bool {
        match literal {
            Literal::Token(_, number) if is_keyed(*number) => self.scheme.knows_keyed(),
            Literal::Token(label, number) => self
                .numbers
                .get(label)
                .is_some_and(|of| (1..=of.last).contains(number) && !of.reserved.contains(number)),
            Literal::Surrogate(text) => self.surrogates.is_taken(text),
        }
    }

    /// Whether this text is a surrogate that a value was given.
    pub fn is_surrogate(&self, text: &str) -> bool {
        self.surrogates.is_taken(text)
    }

    /// Keeps what is not taken from ever being handed out.
    pub fn reserve(&mut self, literal: &Literal) {
        match literal {
            Literal::Token(label, number) => {
                let of = self.numbers.entry(*label).or_default();
                if of.reserved.insert(*number) {
                    self.held += ENTRY;
                }
            }
            Literal::Surrogate(text) => self.surrogates.reserve(text),
        }
    }

    /// What stands for a value before these characters: what it has, or the next. A surrogate, where the label asks for one, the
    /// value has a shape for it, and nobody would read it as one with what is `behind`; but not where other exchanges may see
    /// it, which could not tell it from a value.
    pub fn stand_in(&mut self, label: usize, value: &str, behind: [u8; 2]) -> String {
        if self.labels.has_surrogates(label)
            && !matches!(self.scheme, Scheme::Keyed(..))
            && let Some(surrogate) = self.surrogates.of(value)
            && goes_on(&surrogate, behind.map(Some)) == Some(false)
        {
            return surrogate;
        }
        self.token(label, value)
    }

    /// The same, never a surrogate.
    pub fn token(&mut self, label: usize, value: &str) -> String {
        let name = self.labels.name(label);
        let of = self.numbers.entry(label).or_default();
        if !of.by_value.contains_key(value) {
            self.held += ENTRY + value.len();
        }
        let number = match (of.by_value.get(value), &self.scheme) {
            (Some(&number), _) => number,
            (None, Scheme::Keyed(key, taken)) => {
                let is_free = |number: &u64| {
                    !of.keyed.contains(number) && !taken.contains(&token(name, *number))
                };
                let mut numbers = numbers(key, name, value).filter(is_free);
                // There are more numbers than anybody has values.
                let number = numbers.next().unwrap_or_default();
                of.keyed.insert(number);
                of.by_value.insert(value.to_owned(), number);
                number
            }
            (None, _) => {
                of.last += 1;
                while of.reserved.contains(&of.last) {
                    of.last += 1;
                }
                of.by_value.insert(value.to_owned(), of.last);
                of.last
            }
        };
        token(name, number)
    }

    /// Every token and surrogate handed out, with its value.
    pub fn into_map(self) -> TokenMap {
        let labels = self.labels;
        let surrogates = self.surrogates.into_pairs();
        let all = self.numbers.into_iter();
        let tokens = all.flat_map(|(label, of)| {
            of.by_value
                .into_iter()
                .map(move |(value, number)| (token(labels.name(label), number), value))
        });
        tokens.chain(surrogates).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mask::token::NumberKey;

    #[test]
    fn the_same_value_keeps_its_token_and_labels_count_apart() {
        let labels = Labels::new(["EC2", "VPC"]);
        let mut numbering = Numbering::new(&labels, Scheme::Counted);
        let tokens = [(0, "a"), (1, "a"), (0, "b"), (0, "a")]
            .map(|(label, value)| numbering.token(label, value));
        assert_eq!(tokens, ["EC2_001", "VPC_001", "EC2_002", "EC2_001"]);
        assert_eq!(numbering.into_map().len(), 3);
    }

    #[test]
    fn reserved_numbers_are_skipped_and_never_taken() {
        let labels = Labels::new(["EC2"]);
        let mut numbering = Numbering::new(&labels, Scheme::Counted);
        [1, 2, 4]
            .into_iter()
            .for_each(|number| numbering.reserve(&Literal::Token(0, number)));
        assert_eq!(
            [numbering.token(0, "a"), numbering.token(0, "b")],
            ["EC2_003", "EC2_005"]
        );
        let taken: Vec<_> = (0..8)
            .filter(|&number| numbering.is_taken(&Literal::Token(0, number)))
            .collect();
        assert_eq!(taken, [3, 5]);
    }

    #[test]
    fn keyed_numbers_are_the_same_in_every_exchange_but_where_one_is_taken() {
        let labels = Labels::new(["EC2", "VPC"]);
        let key = NumberKey::new(&[7; 32]);
        let numbering =
            |taken| Numbering::new(&labels, Scheme::Keyed(key.clone(), Arc::new(taken)));
        let mut first = numbering(HashSet::new());
        let (one, two) = (first.token(0, "a"), first.token(0, "b"));
        let mut second = numbering(HashSet::new());
        assert_eq!(
            [second.token(0, "b"), second.token(0, "a")],
            [two, one.clone()]
        );
        let mut third = numbering(HashSet::from([one.clone()]));
        let other = third.token(0, "a");
        assert_ne!(other, one);
        assert_eq!(third.token(0, "a"), other, "it keeps the one it got");
        assert_ne!(third.token(1, "a")[4..], one[4..]);
    }

    #[test]
    fn what_other_exchanges_see_is_a_token_and_no_surrogate() {
        let labels = Labels::new(["EMAIL"]).with_surrogates(["EMAIL"]);
        let key = NumberKey::new(&[7; 32]);
        let stand_in =
            |scheme| Numbering::new(&labels, scheme).stand_in(0, "ann@corp.test", *b"  ");
        assert!(stand_in(Scheme::Beside).contains('@'));
        let keyed = stand_in(Scheme::Keyed(key, Arc::default()));
        assert!(
            keyed.starts_with("EMAIL_") && !keyed.contains('@'),
            "{keyed}"
        );
    }

    #[test]
    fn a_literal_like_a_keyed_token_means_something_beside_keyed_ones_only() {
        let labels = Labels::new(["EC2"]);
        let number = 123_456_789_012_345_678;
        assert!(!Numbering::new(&labels, Scheme::Counted).is_taken(&Literal::Token(0, number)));
        assert!(Numbering::new(&labels, Scheme::Beside).is_taken(&Literal::Token(0, number)));
    }
}
