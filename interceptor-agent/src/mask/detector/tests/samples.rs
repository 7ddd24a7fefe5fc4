//! Samples made from the patterns of rows that have none of their own: found in every place where keys stand, and not
//! found where a placeholder stands in the key's place.

use super::*;

/// Whether a row's samples are made from its patterns.
pub fn makes_its_own(row: &Row) -> bool {
    row.hits.is_empty() && row.misses.is_empty()
}

/// Lehmer's generator: the same samples in every run.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        (self.0 >> 8) as usize % below
    }

    /// A key as its vendor makes it: every member of a set is as likely.
    fn key(&mut self, pattern: &str) -> (String, Range<usize>) {
        let mut own = Self(self.0);
        let sample = Shape::new(pattern).sample(
            |members| {
                // Alone among signs, letters and digits are what keys start and end with.
                let wordy: Vec<_> = members
                    .iter()
                    .filter(|b| b.is_ascii_alphanumeric())
                    .collect();
                match wordy.len() {
                    0 => members[own.next(members.len())],
                    many => *wordy[own.next(many)],
                }
            },
            |min, max| match (min, max) {
                (0, _) => 0,
                (min, max) => max.min(min + 4),
            },
        );
        self.next(2);
        sample
    }
}

/// The same shape with nothing in it: each place has its set's first letter.
fn placeholder(pattern: &str) -> String {
    let blank = |members: &[u8]| {
        let wanted = [b'x', b'X', b'0'];
        let found = wanted.into_iter().find(|byte| members.contains(byte));
        found.unwrap_or(members[0])
    };
    Shape::new(pattern).sample(blank, |min, _| min).0
}

fn own_rows() -> impl Iterator<Item = &'static Row> {
    rows::all().filter(|row| makes_its_own(row))
}

/// The text, where nothing is found in it that has the whole key.
fn missed(text: &str, key: &str) -> Option<String> {
    let found = scan(&DETECTORS, text);
    let whole = found.iter().any(|(_, value)| value.contains(key));
    (!whole).then(|| text.to_owned())
}

#[test]
fn keys_are_found_wherever_they_stand() {
    let mut choices = Choices(20_250_101);
    let mut all_missed = Vec::new();
    for row in own_rows().filter(|row| row.assigned.is_empty()) {
        for pattern in row.patterns {
            let (text, value) = choices.key(pattern);
            let value = &text[value];
            for place in [
                text.clone(),
                format!("the key is \"{text}\", isn't it"),
                format!("'{text}'"),
                format!("A_B={text}\nC=d"),
                format!("{{\"a\":\"{text}\"}}"),
                format!(r#"{{\"a\":\"{text}\"}}"#),
                format!("line\\n{text}\\nline"),
            ] {
                all_missed.extend(missed(&place, value));
            }
        }
    }
    assert_eq!(all_missed, [""; 0]);
}

#[test]
fn keys_without_a_prefix_are_found_by_their_vendors_name() {
    let mut choices = Choices(20_250_102);
    let mut all_missed = Vec::new();
    for row in own_rows().filter(|row| !row.assigned.is_empty()) {
        for (name, shape) in row
            .patterns
            .iter()
            .flat_map(|name| row.assigned.iter().map(move |shape| (name, shape)))
        {
            let name = Shape::new(name)
                .sample(|members| members[0].to_ascii_lowercase(), |min, _| min)
                .0
                .to_lowercase();
            let key = choices.key(shape).0;
            for place in [
                format!("{name}_key = \"{key}\""),
                format!("{}_TOKEN={key}", name.to_uppercase()),
                format!("{{\"{name}Secret\": \"{key}\"}}"),
                format!("{name}:\n  {name}-key: {key}\n"),
            ] {
                all_missed.extend(missed(&place, &key));
            }
            assert_eq!(
                scan(&DETECTORS, &format!("see {name} about {key}"))
                    .iter()
                    .filter(|found| found.0 == row.class.name)
                    .count(),
                0,
                "{name}"
            );
        }
    }
    assert_eq!(all_missed, [""; 0]);
}

#[test]
fn placeholders_are_no_keys() {
    let mut all_found = Vec::new();
    for row in own_rows() {
        let shapes = if row.assigned.is_empty() {
            row.patterns
        } else {
            row.assigned
        };
        for shape in shapes {
            let blank = placeholder(shape);
            for text in [blank.clone(), format!("{}_KEY={blank}", row.class.name)] {
                let found = scan(&DETECTORS, &text);
                all_found.extend(found.into_iter().filter(|found| found.0 == row.class.name));
            }
        }
    }
    assert_eq!(all_found, []);
}

#[test]
fn there_are_keys_of_two_hundred_kinds() {
    let kinds = rows::all().filter(|row| row.class.label.starts_with("SECRET_"));
    assert!(kinds.count() >= 200);
}
