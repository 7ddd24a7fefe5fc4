//! Which number each value of a label gets: the next one that no literal in the conversation so far uses.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Labels, TokenMap, token};

/// The tokens of one request.
#[derive(Clone)]
pub(in crate::mask) struct Numbering<'l> {
    labels: &'l Labels,
    /// By label index; few of the many labels occur in a request.
    numbers: BTreeMap<usize, Numbers>,
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
        }
    }

    /// Whether this number was handed out to a value.
    pub fn is_taken(&self, label: usize, number: u32) -> bool {
        self.numbers
            .get(&label)
            .is_some_and(|of| (1..=of.last).contains(&number) && !of.reserved.contains(&number))
    }

    /// Keeps a number that is not taken from ever being handed out.
    pub fn reserve(&mut self, label: usize, number: u32) {
        self.of(label).reserved.insert(number);
    }

    /// The token of a value: the one it has, or the next.
    pub fn token(&mut self, label: usize, value: &str) -> String {
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
}
