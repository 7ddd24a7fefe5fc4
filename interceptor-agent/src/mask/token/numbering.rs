//! Which number each value of a label gets: the next one that no literal in the conversation so far uses, or one by key.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Labels, Scheme, TokenMap,
    keyed::{is_keyed, numbers},
    token,
};

/// The tokens of one request.
#[derive(Clone)]
pub(in crate::mask) struct Numbering<'l> {
    labels: &'l Labels,
    scheme: Scheme,
    /// By label index; few of the many labels occur in a request.
    numbers: BTreeMap<usize, Numbers>,
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
        }
    }

    /// Whether this number was handed out to a value, in this exchange or, as far as can be seen, in another one.
    pub fn is_taken(&self, label: usize, number: u64) -> bool {
        if is_keyed(number) {
            return self.scheme.knows_keyed();
        }
        self.numbers
            .get(&label)
            .is_some_and(|of| (1..=of.last).contains(&number) && !of.reserved.contains(&number))
    }

    /// Keeps a number that is not taken from ever being handed out.
    pub fn reserve(&mut self, label: usize, number: u64) {
        let of = self.numbers.entry(label).or_default();
        of.reserved.insert(number);
    }

    /// The token of a value: the one it has, or the next.
    pub fn token(&mut self, label: usize, value: &str) -> String {
        let name = self.labels.name(label);
        let of = self.numbers.entry(label).or_default();
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

    /// Every token handed out, with its value.
    pub fn into_map(self) -> TokenMap {
        let labels = self.labels;
        let all = self.numbers.into_iter();
        all.flat_map(|(label, of)| {
            of.by_value
                .into_iter()
                .map(move |(value, number)| (token(labels.name(label), number), value))
        })
        .collect()
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
            .for_each(|number| numbering.reserve(0, number));
        assert_eq!(
            [numbering.token(0, "a"), numbering.token(0, "b")],
            ["EC2_003", "EC2_005"]
        );
        let taken: Vec<_> = (0..8)
            .filter(|&number| numbering.is_taken(0, number))
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
    fn a_literal_like_a_keyed_token_means_something_beside_keyed_ones_only() {
        let labels = Labels::new(["EC2"]);
        let number = 123_456_789_012_345_678;
        assert!(!Numbering::new(&labels, Scheme::Counted).is_taken(0, number));
        assert!(Numbering::new(&labels, Scheme::Beside).is_taken(0, number));
    }
}
