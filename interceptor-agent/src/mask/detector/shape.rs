//! The pattern language of the rows: a small subset of regular expressions whose repetitions never give back what they took.
//! Matching allocates nothing and looks at each byte once; only ASCII can match, so matches end on character boundaries.

use std::{collections::BTreeSet, ops::Range};

/// One compiled pattern.
///
/// Understood are literal ASCII, `[a-z]` sets with ranges, `\d` (digit), `\w` (letter, digit or `_`), escapes of
/// punctuation, `?`, `*`, `+`, `{n}`, `{n,}`, `{n,m}` (without a limit: 512), one `(…)` around the part that is the value, a leading `(?i)`, and a
/// leading `\b`, which asks that the byte before is none that the pattern could start with.
#[derive(Debug)]
pub struct Shape {
    elements: Vec<Element>,
    value: Range<usize>,
    run_start: bool,
}

#[derive(Clone, Copy, Debug)]
struct Element {
    set: Set,
    min: u32,
    max: u32,
}

/// Where a pattern sets no limit. Every candidate costs at most its limits, so no text makes a scan quadratic.
const LONGEST_RUN: u32 = 512;

/// A set of ASCII bytes, one bit each.
pub type Set = u128;

/// Where a shape matched: all of it, and the part in parentheses (all of it where there are none).
#[derive(Clone, Debug)]
pub struct Match {
    pub all: Range<usize>,
    pub value: Range<usize>,
}

/// The last long run that was walked, so that candidates inside one another (`xoxb-xoxb-xoxb-…`) walk it once.
#[derive(Default)]
pub struct Runs {
    set: Set,
    run: Range<usize>,
}

impl Runs {
    /// Shorter ones are as fast walked as remembered.
    const LEAST: usize = 64;

    /// How many bytes from `at` on are in the set, at most `limit`.
    fn length(&mut self, set: Set, text: &[u8], at: usize, limit: usize) -> usize {
        let walked = match self.run.contains(&at) && self.set == set {
            true => self.run.end,
            false => at,
        };
        let end = text.len().min(at.saturating_add(limit));
        if walked >= end {
            return end - at;
        }
        let more = text[walked..end]
            .iter()
            .take_while(|&&byte| contains(set, byte))
            .count();
        let length = walked + more - at;
        if length >= Self::LEAST {
            (self.set, self.run) = (set, at..walked + more);
        }
        length
    }
}

impl Shape {
    /// Far enough for keys whose only fixed letters stand in their last third.
    const HEADS: usize = 96;

    /// Compiles a pattern of a row.
    ///
    /// # Panics
    /// When the pattern is malformed: patterns are part of the program, and a test compiles every one.
    pub fn new(pattern: &str) -> Self {
        let (fold_case, rest) = flag(pattern, "(?i)");
        let (run_start, rest) = flag(rest, "\\b");
        let mut parser = Parser {
            rest: rest.as_bytes(),
            fold_case,
        };
        let mut elements = Vec::new();
        let (mut open, mut close) = (0, None);
        while let Some(&byte) = parser.rest.first() {
            match byte {
                b'(' => open = elements.len(),
                b')' => close = Some(elements.len()),
                _ => {
                    elements.push(parser.element());
                    continue;
                }
            }
            parser.bump();
        }
        let value = open..close.unwrap_or(elements.len());
        Self {
            elements,
            value,
            run_start,
        }
    }

    /// Matches at one position of a text.
    pub fn match_at(&self, text: &[u8], at: usize, runs: &mut Runs) -> Option<Match> {
        if self.run_start && at > 0 && contains(self.elements[0].set, text[at - 1]) {
            return None;
        }
        // The prefilter's guess may lie before the text's first byte, which wraps around.
        if at > text.len() {
            return None;
        }
        let mut position = at;
        let mut value = at..at;
        for (index, element) in self.elements.iter().enumerate() {
            if index == self.value.start {
                value.start = position;
            }
            let taken = runs.length(element.set, text, position, element.max as usize);
            if taken < element.min as usize {
                return None;
            }
            position += taken;
            if index + 1 == self.value.end {
                value.end = position;
            }
        }
        Some(Match {
            all: at..position,
            value,
        })
    }

    /// Whether a match must be the start of a run of its first set.
    pub fn starts_run(&self) -> bool {
        self.run_start
    }

    /// The bytes possible at each offset that every match has, at most [`Self::HEADS`].
    pub fn heads(&self) -> Vec<Set> {
        let mut heads = Vec::new();
        let mut states = BTreeSet::new();
        self.enter(0, 0, &mut states);
        while heads.len() < Self::HEADS && !states.contains(&(self.elements.len(), 0)) {
            heads.push(
                states
                    .iter()
                    .fold(0, |set, &(index, _)| set | self.elements[index].set),
            );
            let mut next = BTreeSet::new();
            for (index, count) in states {
                self.enter(index, count + 1, &mut next);
            }
            states = next;
        }
        heads
    }

    /// A text that matches, and where its value is: `choose` picks one of so many bytes, `length` a number in a range.
    #[cfg(test)]
    pub fn sample(
        &self,
        mut choose: impl FnMut(&[u8]) -> u8,
        mut length: impl FnMut(u32, u32) -> u32,
    ) -> (String, Range<usize>) {
        let mut text = String::new();
        let mut value = 0..0;
        for (index, element) in self.elements.iter().enumerate() {
            if index == self.value.start {
                value.start = text.len();
            }
            let members: Vec<u8> = (0..128).filter(|&b| contains(element.set, b)).collect();
            for _ in 0..length(element.min, element.max) {
                text.push(char::from(choose(&members)));
            }
            if index + 1 == self.value.end {
                value.end = text.len();
            }
        }
        (text, value)
    }

    fn enter(&self, index: usize, count: u32, states: &mut BTreeSet<(usize, u32)>) {
        let Some(element) = self.elements.get(index) else {
            states.insert((index, 0));
            return;
        };
        if count < element.max {
            states.insert((index, count));
        }
        if count >= element.min {
            self.enter(index + 1, 0, states);
        }
    }
}

/// Whether a set has a byte; no set has a byte beyond ASCII.
pub fn contains(set: Set, byte: u8) -> bool {
    byte < 128 && set >> byte & 1 == 1
}

fn flag<'p>(pattern: &'p str, prefix: &str) -> (bool, &'p str) {
    pattern
        .strip_prefix(prefix)
        .map_or((false, pattern), |rest| (true, rest))
}

struct Parser<'p> {
    rest: &'p [u8],
    fold_case: bool,
}

impl Parser<'_> {
    fn bump(&mut self) -> u8 {
        let (&first, rest) = self.rest.split_first().expect("pattern ends too early");
        self.rest = rest;
        first
    }

    fn element(&mut self) -> Element {
        let mut set = match self.bump() {
            b'[' => self.set(),
            b'\\' => escape(self.bump()),
            byte => bit(byte),
        };
        if self.fold_case {
            set = fold(set);
        }
        let (min, max) = self.repetition();
        Element { set, min, max }
    }

    fn set(&mut self) -> Set {
        let mut set = 0;
        loop {
            let low = match self.bump() {
                b']' => return set,
                b'\\' => {
                    set |= escape(self.bump());
                    continue;
                }
                byte => byte,
            };
            if self.rest.first() == Some(&b'-') && self.rest.get(1) != Some(&b']') {
                self.bump();
                set |= (low..=self.bump()).fold(0, |set, byte| set | bit(byte));
            } else {
                set |= bit(low);
            }
        }
    }

    fn repetition(&mut self) -> (u32, u32) {
        let (min, max) = match self.rest.first() {
            Some(b'?') => (0, 1),
            Some(b'*') => (0, LONGEST_RUN),
            Some(b'+') => (1, LONGEST_RUN),
            Some(b'{') => {
                self.bump();
                let min = self.number().expect("a repetition needs a number");
                let max = if self.rest.first() == Some(&b',') {
                    self.bump();
                    self.number().unwrap_or(LONGEST_RUN)
                } else {
                    min
                };
                assert_eq!(
                    self.rest.first(),
                    Some(&b'}'),
                    "a repetition ends with a brace"
                );
                (min, max)
            }
            _ => return (1, 1),
        };
        self.bump();
        (min, max)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = None;
        while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            number = Some(number.unwrap_or(0) * 10 + u32::from(digit - b'0'));
            self.bump();
        }
        number
    }
}

fn escape(byte: u8) -> Set {
    let digits = (b'0'..=b'9').fold(0, |set, byte| set | bit(byte));
    match byte {
        b'd' => digits,
        b'w' => (b'a'..=b'z').fold(digits | bit(b'_'), |set, byte| set | fold(bit(byte))),
        byte => {
            assert!(byte.is_ascii_punctuation(), "only punctuation is escaped");
            bit(byte)
        }
    }
}

fn fold(set: Set) -> Set {
    (0..128u8)
        .filter(|&byte| contains(set, byte))
        .fold(set, |folded, byte| {
            folded | bit(byte.to_ascii_lowercase()) | bit(byte.to_ascii_uppercase())
        })
}

fn bit(byte: u8) -> Set {
    assert!(byte.is_ascii(), "patterns are ASCII");
    1 << byte
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(pattern: &str, text: &str, at: usize) -> Option<Range<usize>> {
        Shape::new(pattern)
            .match_at(text.as_bytes(), at, &mut Runs::default())
            .map(|found| found.value)
    }

    #[test]
    fn repetitions_take_what_they_can() {
        assert_eq!(value(r"ab[0-9]{2,3}c?", "xab1234", 1), Some(1..6));
        assert_eq!(value(r"ab[0-9]{2,3}c?", "xab12c", 1), Some(1..6));
        assert_eq!(value(r"ab[0-9]{2}", "ab1", 0), None);
        assert_eq!(value(r"\w+w", "www", 0), None);
    }

    #[test]
    fn a_run_that_is_remembered_is_as_long_as_one_that_is_walked() {
        let text = ["ab-".repeat(100), "!".to_owned(), "ab-".repeat(300)].concat();
        let mut runs = Runs::default();
        for pattern in [r"ab-[\w-]{20,}", "ab-[a-z-]+!?", r"ab-[\w-]{70,80}"] {
            let shape = Shape::new(pattern);
            for at in 0..text.len() {
                let ranges = |found: Option<Match>| found.map(|found| found.all);
                let fresh = shape.match_at(text.as_bytes(), at, &mut Runs::default());
                let again = shape.match_at(text.as_bytes(), at, &mut runs);
                assert_eq!(ranges(again), ranges(fresh), "{pattern} at {at}");
            }
        }
    }

    #[test]
    fn group_flag_and_run_start() {
        assert_eq!(value(r"(?i)key=([\w-]+);", "KEY=a-b;", 0), Some(4..7));
        assert_eq!(value(r"\b\d{2}", "123", 1), None);
        assert_eq!(value(r"\b\d{2}", "x23", 1), Some(1..3));
    }

    #[test]
    fn heads_are_what_every_match_has() {
        let heads = Shape::new(r"\d{1,2}\.x*").heads();
        let digit = escape(b'd');
        assert_eq!(heads, vec![digit, digit | bit(b'.')]);
    }
}
