//! Text behind encodings, with maps from decoded offsets back to raw bytes.
//!
//! [`Decoded`] is what a JSON parser makes of a string. [`layers`] are what may stand in any text: encodings that
//! somebody put there, to be looked behind but never resolved for good.

mod alike;
mod blocks;
mod chars;
mod cut;
mod digits;
pub mod layers;

use std::{borrow::Cow, ops::Range};

use crate::json::Escapes;

/// A raw text with its escapes resolved; borrowed where it has none.
pub struct Decoded<'a> {
    text: Cow<'a, str>,
    /// For each escape, where decoded text and raw text go on behind it.
    resume: Vec<(usize, usize)>,
}

impl<'a> Decoded<'a> {
    /// Decodes JSON string content, quotes of members included where the range spans several strings.
    /// What is no escape of JSON stays as it is.
    pub fn new(raw: &'a str) -> Self {
        let mut rewrite = Rewrite::new(raw);
        for escape in Escapes::new(raw) {
            rewrite.put(escape.raw, Some(escape.char));
        }
        rewrite.finish()
    }

    /// A text that has no escapes: a backslash in it is a backslash.
    pub fn plain(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            resume: Vec::new(),
        }
    }

    /// A text of which no part stands for a part of a raw text.
    fn owned(text: String) -> Self {
        Self {
            text: Cow::Owned(text),
            resume: Vec::new(),
        }
    }

    /// The decoded text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether decoding changed nothing.
    pub fn is_borrowed(&self) -> bool {
        self.resume.is_empty()
    }

    /// Where a decoded range stands in the raw text; escapes that it touches are covered whole.
    pub fn raw_range(&self, decoded: Range<usize>) -> Range<usize> {
        self.raw_offset(decoded.start)..self.raw_offset(decoded.end)
    }

    /// The raw offset of a decoded one, which must be a character boundary. Behind what was left out there.
    pub fn raw_offset(&self, decoded: usize) -> usize {
        let behind = self.resume.partition_point(|&(at, _)| at <= decoded);
        let (at, raw) = behind
            .checked_sub(1)
            .map_or((0, 0), |last| self.resume[last]);
        raw + (decoded - at)
    }

    /// The decoded offset of a raw one, which must not stand inside an escape.
    pub fn decoded_offset(&self, raw: usize) -> usize {
        let behind = self.resume.partition_point(|&(_, at)| at <= raw);
        let (decoded, at) = behind
            .checked_sub(1)
            .map_or((0, 0), |last| self.resume[last]);
        decoded + (raw - at)
    }
}

/// A text being decoded from its beginning to its end.
struct Rewrite<'a> {
    raw: &'a str,
    text: String,
    resume: Vec<(usize, usize)>,
    from: usize,
}

impl<'a> Rewrite<'a> {
    fn new(raw: &'a str) -> Self {
        Self {
            raw,
            text: String::new(),
            resume: Vec::new(),
            from: 0,
        }
    }

    /// What stands at `range` of the raw text is this character, or nothing.
    fn put(&mut self, range: Range<usize>, char: Option<char>) {
        if self.resume.is_empty() {
            self.text.reserve(self.raw.len());
            self.resume.reserve(self.raw.len() / 64);
        }
        self.text.push_str(&self.raw[self.from..range.start]);
        self.text.extend(char);
        self.from = range.end;
        self.resume.push((self.text.len(), self.from));
    }

    fn finish(mut self) -> Decoded<'a> {
        if self.resume.is_empty() {
            return Decoded::plain(self.raw);
        }
        self.text.push_str(&self.raw[self.from..]);
        Decoded {
            text: Cow::Owned(self.text),
            resume: self.resume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_whole_escapes() {
        let raw = r"a\nb\ud83d\ude00\u0063d";
        let decoded = Decoded::new(raw);
        assert_eq!(decoded.text(), "a\nb😀cd");
        let of = |range: Range<usize>| &raw[decoded.raw_range(range)];
        assert_eq!(
            [of(0..1), of(1..2), of(2..3), of(3..7), of(7..8), of(8..9)],
            ["a", r"\n", "b", r"\ud83d\ude00", r"\u0063", "d"]
        );
        assert_eq!(of(0..9), raw);
        for (offset, _) in decoded.text().char_indices() {
            assert_eq!(decoded.decoded_offset(decoded.raw_offset(offset)), offset);
        }
    }

    #[test]
    fn plain_text_is_borrowed() {
        let decoded = Decoded::new("plain é");
        assert!(decoded.is_borrowed());
        assert_eq!(decoded.raw_range(3..6), 3..6);
    }
}
