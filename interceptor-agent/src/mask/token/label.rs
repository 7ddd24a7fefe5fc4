//! The labels in use, and what in a text already looks like one of their tokens.

use std::ops::Range;

use memchr::memchr_iter;

use super::canonical_number;

/// Every label that a policy can hand out, sorted, each once. A label is named by its index here.
pub(in crate::mask) struct Labels {
    names: Vec<&'static str>,
    /// Indices of those whose values get surrogates; sorted.
    surrogates: Vec<usize>,
}

/// A literal in a client's text that has the shape of a token of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mask) struct LookAlike {
    /// Index of the label.
    pub label: usize,
    pub number: u64,
    /// Where it stands in the text.
    pub range: Range<usize>,
}

impl Labels {
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self {
            names,
            surrogates: Vec::new(),
        }
    }

    /// These, the values of some of which get a surrogate if they have the shape for one.
    pub fn with_surrogates(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        let indices = names.into_iter().filter_map(|name| self.index(name));
        self.surrogates = indices.collect();
        self.surrogates.sort_unstable();
        self
    }

    /// Whether values of this label get surrogates.
    pub fn has_surrogates(&self, label: usize) -> bool {
        self.surrogates.binary_search(&label).is_ok()
    }

    /// One whose values do, if there is any.
    pub fn any_surrogate(&self) -> Option<usize> {
        self.surrogates.first().copied()
    }

    pub fn name(&self, label: usize) -> &'static str {
        self.names[label]
    }

    /// All of them, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.binary_search(&name).ok()
    }

    /// Calls `found` for everything in `text` that could be taken for a token, by a reader who prefers
    /// long labels as well as by one who prefers short ones: `AWS_SECRET_001` is `SECRET_001` too.
    pub fn look_alikes(&self, text: &str, mut found: impl FnMut(LookAlike)) {
        let bytes = text.as_bytes();
        for underscore in memchr_iter(b'_', bytes) {
            let digits = underscore + 1;
            // Nearly every underscore of ordinary text fails here.
            if !bytes
                .get(digits..digits + 3)
                .is_some_and(|three| three.iter().all(u8::is_ascii_digit))
            {
                continue;
            }
            let end = digits
                + bytes[digits..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
            let Some(number) = canonical_number(&text[digits..end]) else {
                continue;
            };
            let before = without_markdown(&bytes[..underscore]);
            for (label, name) in self.names.iter().enumerate() {
                if let Some(start) = label_start(before, name) {
                    found(LookAlike {
                        label,
                        number,
                        range: start..end,
                    });
                }
            }
        }
    }
}

/// Ranges of a text, sorted and apart, that can be asked what lies inside them.
#[derive(Default)]
pub(in crate::mask) struct Ranges(Vec<Range<usize>>);

impl Ranges {
    /// Adds a range that ends where the last one does, or further on.
    pub fn push(&mut self, range: Range<usize>) {
        match self.0.last_mut() {
            Some(last) if range.start < last.end => *last = last.start.min(range.start)..range.end,
            _ => self.0.push(range),
        }
    }

    /// The ranges.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().cloned()
    }

    /// Whether one of the ranges has a part of this one.
    pub fn meet(&self, range: Range<usize>) -> bool {
        let behind = self.0.partition_point(|own| own.end <= range.start);
        let next = self.0.get(behind);
        next.is_some_and(|own| own.start < range.end)
    }

    /// Whether one of the ranges has all of this one.
    pub fn cover(&self, range: Range<usize>) -> bool {
        let behind = self.0.partition_point(|own| own.end < range.end);
        self.0
            .get(behind)
            .is_some_and(|own| own.start <= range.start)
    }
}

/// Where `label` starts if `before` ends with it, underscores escaped or not.
fn label_start(before: &[u8], label: &str) -> Option<usize> {
    let mut rest = before;
    for expected in label.bytes().rev() {
        rest = rest.strip_suffix(&[expected])?;
        if expected == b'_' {
            rest = without_markdown(rest);
        }
    }
    Some(rest.len())
}

fn without_markdown(before_underscore: &[u8]) -> &[u8] {
    before_underscore
        .strip_suffix(b"\\")
        .unwrap_or(before_underscore)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::new(["EC2", "SECRET", "AWS_SECRET", "EC2", "PRIVATE_IP"])
    }

    fn found(text: &str) -> Vec<(&str, &'static str, u64)> {
        let mut all = Vec::new();
        labels().look_alikes(text, |literal| {
            all.push((
                &text[literal.range],
                labels().name(literal.label),
                literal.number,
            ))
        });
        all
    }

    #[test]
    fn finds_literals_wherever_they_stand() {
        assert_eq!(
            found("see EC2_001, xEC2_1234."),
            [("EC2_001", "EC2", 1), ("EC2_1234", "EC2", 1234)]
        );
        assert_eq!(
            found("AWS_SECRET_007"),
            [
                ("AWS_SECRET_007", "AWS_SECRET", 7),
                ("SECRET_007", "SECRET", 7)
            ]
        );
        assert_eq!(
            found(r"PRIVATE\_IP\_002"),
            [(r"PRIVATE\_IP\_002", "PRIVATE_IP", 2)]
        );
    }

    #[test]
    fn what_is_never_handed_out_is_no_look_alike() {
        for text in [
            "EC2_01",
            "EC2_0001",
            "ec2_001",
            "EC3_001",
            "EC2-001",
            "_001",
            "EC2_99999999999",
            "EC2_00é",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
