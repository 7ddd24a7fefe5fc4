//! Text behind JSON escapes, with a map from decoded offsets back to raw bytes.

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
        let mut text = String::new();
        let mut resume = Vec::new();
        let mut from = 0;
        for escape in Escapes::new(raw) {
            if resume.is_empty() {
                text.reserve(raw.len());
                resume.reserve(raw.len() / 64);
            }
            text.push_str(&raw[from..escape.raw.start]);
            text.push(escape.char);
            from = escape.raw.end;
            resume.push((text.len(), from));
        }
        if resume.is_empty() {
            return Self {
                text: Cow::Borrowed(raw),
                resume,
            };
        }
        text.push_str(&raw[from..]);
        Self {
            text: Cow::Owned(text),
            resume,
        }
    }

    /// A text that has no escapes: a backslash in it is a backslash.
    pub fn plain(text: &'a str) -> Self {
        Self {
            text: Cow::Borrowed(text),
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

    /// The raw offset of a decoded one, which must be a character boundary.
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
