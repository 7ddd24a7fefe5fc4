//! What a detector is: one row of data.

use std::ops::Range;

use super::{Action, Class, Profile, source_code::Surroundings};

/// One detector.
pub struct Row {
    /// Name, label and default action.
    pub class: Class,
    /// In the language of `shape`; any may match. The prefilter comes from them, so each needs three bytes that are fixed.
    pub patterns: &'static [&'static str],
    /// Shapes of the value, where the patterns only find the name that it is given to; none: they find the value itself.
    pub assigned: &'static [&'static str],
    /// Looks closer at a match; gives the bytes of the value, which may reach beyond the match.
    pub check: fn(&Site<'_>) -> Option<Range<usize>>,
    /// In place of `check`, for a match that leads to any number of values.
    pub each: Option<Each>,
    /// Least Shannon entropy of the value, in bits a byte; 0 where it says nothing.
    pub entropy: f32,
    /// A vendor's own checksum: where it holds, entropy is not asked and the confidence is 0.99.
    pub proof: fn(&[u8]) -> bool,
    /// Words, in lower case, of which one must be near; none: no context needed.
    pub context: &'static [&'static str],
    /// Whether a text that is nothing but the value needs no such word.
    pub alone: bool,
    /// The privacy profile in which no such word is needed.
    pub profile: Option<Profile>,
    /// From 0 to 1.
    pub confidence: f32,
    /// Samples in which the part between `»` and `«` is found.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "samples live with their row, and a test runs them all"
        )
    )]
    pub hits: &'static [&'static str],
    /// Samples in which nothing of this class is found.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "samples live with their row, and a test runs them all"
        )
    )]
    pub misses: &'static [&'static str],
}

impl Row {
    /// A row that only needs patterns and samples: no entropy, no context, masked by default.
    pub const fn new(name: &'static str, label: &'static str) -> Self {
        Self {
            class: Class {
                name,
                label,
                action: Action::Mask,
            },
            patterns: &[],
            assigned: &[],
            check: |site| Some(site.value.clone()),
            each: None,
            entropy: 0.0,
            proof: |_| false,
            context: &[],
            alone: false,
            profile: None,
            confidence: 0.9,
            hits: &[],
            misses: &[],
        }
    }

    /// A vendor's key that its own prefix gives away. A test makes its samples from the patterns.
    pub const fn token(
        name: &'static str,
        label: &'static str,
        patterns: &'static [&'static str],
    ) -> Self {
        Self {
            patterns,
            check: unlike_words,
            entropy: 2.7,
            ..Self::secret(name, label)
        }
    }

    /// A vendor's key without a prefix, known by the vendor's name in the name that it is given to. A test makes its samples.
    pub const fn assigned(
        name: &'static str,
        label: &'static str,
        patterns: &'static [&'static str],
        assigned: &'static [&'static str],
    ) -> Self {
        Self {
            patterns,
            assigned,
            entropy: 2.5,
            confidence: 0.9,
            ..Self::secret(name, label)
        }
    }

    /// A vendor's key: random enough that entropy tells it from a placeholder.
    pub const fn secret(name: &'static str, label: &'static str) -> Self {
        Self {
            entropy: 3.0,
            confidence: 0.95,
            ..Self::new(name, label)
        }
    }
}

/// The value, if it is more than words in one case (has a digit, or letters of both cases), and nothing left blank.
fn unlike_words(site: &Site<'_>) -> Option<Range<usize>> {
    let value = site.bytes(site.value.clone());
    let has = |of: fn(&u8) -> bool| value.iter().any(of);
    let cases = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let blank = value
        .windows(8)
        .any(|part| b"xX*.0".contains(&part[0]) && part.iter().all(|byte| *byte == part[0]));
    ((cases || has(u8::is_ascii_digit)) && !blank).then(|| site.value.clone())
}

/// Calls back with the bytes of each value that a match leads to.
pub type Each = fn(&Site<'_>, &mut dyn FnMut(Range<usize>));

/// A match of a pattern in its text, for a row's check.
#[derive(Clone)]
pub struct Site<'t> {
    pub text: &'t [u8],
    /// All that the pattern matched.
    pub all: Range<usize>,
    /// The part in parentheses, or all.
    pub value: Range<usize>,
    /// What kind of text it is.
    pub around: &'t Surroundings,
}

impl<'t> Site<'t> {
    /// Bytes of a part of the text.
    pub fn bytes(&self, range: Range<usize>) -> &'t [u8] {
        &self.text[range]
    }

    /// At most `limit` bytes before the match.
    pub fn before(&self, limit: usize) -> &'t [u8] {
        &self.text[self.all.start.saturating_sub(limit)..self.all.start]
    }

    /// At most `limit` bytes after the match.
    pub fn after(&self, limit: usize) -> &'t [u8] {
        let rest = &self.text[self.all.end..];
        &rest[..rest.len().min(limit)]
    }

    /// Whether the text, or the field of JSON in it, is nothing else, quotes and a full stop aside.
    pub fn is_alone(&self) -> bool {
        let (before, after) = (&self.text[..self.all.start], &self.text[self.all.end..]);
        (self.around.are_edges(self.text, &self.all) || is_field(before, after))
            && !is_time(&self.text[self.all.clone()])
    }

    /// Whether one of the words is within 64 bytes before the match or 40 after, in any case.
    pub fn has_near(&self, words: &[&str]) -> bool {
        [self.before(64), self.after(40)]
            .into_iter()
            .any(|near| words.iter().any(|word| find_word(near, word)))
    }
}

/// Whether what stands around is that of a string in JSON, also escaped: `": "` and `"` with a comma or bracket.
fn is_field(before: &[u8], after: &[u8]) -> bool {
    let unquoted = |text: &[u8]| -> Option<usize> {
        let escapes = text.iter().take_while(|byte| **byte == b'\\').count();
        (escapes <= 7 && text.get(escapes) == Some(&b'"')).then_some(escapes + 1)
    };
    let Some(close) = unquoted(&after[..after.len().min(16)]) else {
        return false;
    };
    let closed = after[close..]
        .first()
        .is_none_or(|byte| byte.is_ascii_whitespace() || b",}]\\".contains(byte));
    let mut name = before;
    let mut strip = |of: &[u8]| {
        let length = name
            .iter()
            .rev()
            .take_while(|byte| of.contains(byte))
            .count();
        name = &name[..name.len() - length];
        length > 0
    };
    closed
        && strip(b"\"")
        && {
            strip(b"\\");
            strip(b" ");
            strip(b":")
        }
        && strip(b"\"")
}

/// Whether digits are likelier a time: seconds since 1970 or parts of them, or a date with hour and minute.
fn is_time(text: &[u8]) -> bool {
    let number = |range: Range<usize>| {
        let digits = std::str::from_utf8(&text[range]).ok()?;
        digits.parse::<u32>().ok()
    };
    match text.len() {
        10 | 13 | 16 | 19 => matches!(number(0..10), Some(1_000_000_000..=2_199_999_999)),
        12 | 14 => {
            matches!(number(0..4), Some(1970..=2099))
                && matches!(number(4..6), Some(1..=12))
                && matches!(number(6..8), Some(1..=31))
                && matches!(number(8..10), Some(0..=23))
                && matches!(number(10..12), Some(0..=59))
        }
        _ => false,
    }
}

fn find_word(text: &[u8], word: &str) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
