//! Which number each value of a label gets: the next one that no literal in the conversation so far uses.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Labels, TokenMap,
    surrogate::{Surrogates, goes_on},
    token,
};

/// The tokens of one request.
#[derive(Clone)]
pub(in crate::mask) struct Numbering<'l> {
    labels: &'l Labels,
    /// By label index; few of the many labels occur in a request.
    numbers: BTreeMap<usize, Numbers>,
    surrogates: Surrogates,
}

/// A text of the request that looks like a token or a surrogate, and keeps its own meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mask) enum Literal {
    /// The label's index, and the number.
    Token(usize, u32),
    Surrogate(Box<str>),
}

#[derive(Clone, Default)]
struct Numbers {
    last: u32,
    reserved: HashSet<u32>,
    by_value: HashMap<String, u32>,
}

impl<'l> Numbering<'l> {
    pub fn new(labels: &'l Labels) -> Self {
        Self {
            labels,
            numbers: BTreeMap::new(),
            surrogates: Surrogates::default(),
        }
    }

    /// Whether this is what a value was given.
    pub fn is_taken(&self, literal: &Literal) -> bool {
        match literal {
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
                self.of(*label).reserved.insert(*number);
            }
            Literal::Surrogate(text) => self.surrogates.reserve(text),
        }
    }

    /// What stands for a value before these characters: what it has, or the next. A surrogate, where the label asks for one, the
    /// value has a shape for it, and nobody would read it as one with what is `behind`.
    pub fn stand_in(&mut self, label: usize, value: &str, behind: [u8; 2]) -> String {
        if self.labels.has_surrogates(label)
            && let Some(surrogate) = self.surrogates.of(value)
            && goes_on(&surrogate, behind.map(Some)) == Some(false)
        {
            return surrogate;
        }
        self.token(label, value)
    }

    fn token(&mut self, label: usize, value: &str) -> String {
        let of = self.of(label);
        let number = match of.by_value.get(value) {
            Some(&number) => number,
            None => {
                of.last += 1;
                while of.reserved.contains(&of.last) {
                    of.last += 1;
                }
                of.by_value.insert(value.to_owned(), of.last);
                of.last
            }
        };
        token(self.labels.name(label), number)
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

    fn of(&mut self, label: usize) -> &mut Numbers {
        self.numbers.entry(label).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_keeps_its_token_and_labels_count_apart() {
        let labels = Labels::new(["EC2", "VPC"]);
        let mut numbering = Numbering::new(&labels);
        let tokens = [(0, "a"), (1, "a"), (0, "b"), (0, "a")]
            .map(|(label, value)| numbering.token(label, value));
        assert_eq!(tokens, ["EC2_001", "VPC_001", "EC2_002", "EC2_001"]);
        assert_eq!(numbering.into_map().len(), 3);
    }

    #[test]
    fn reserved_numbers_are_skipped_and_never_taken() {
        let labels = Labels::new(["EC2"]);
        let mut numbering = Numbering::new(&labels);
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
}
