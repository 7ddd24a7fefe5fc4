//! A value to be replaced, and how places of a decoded text become places of the request.

use std::ops::Range;

use crate::mask::{decode::Decoded, request::cache::Mark};

/// A value to be replaced.
pub(in crate::mask::request) struct Hit {
    /// Where it stands in the request's own bytes.
    pub range: Range<usize>,
    pub label: usize,
    /// Its decoded text.
    pub value: String,
    /// How often the request's own bytes are decoded to be it.
    pub levels: u8,
    /// What goes before and after the token: quotes for a number.
    pub quote: &'static str,
    /// The characters that its decoded text goes on with; zero where it ends.
    pub behind: [u8; 2],
}

impl Hit {
    /// Without its value, for a unit that begins at `start`. None if it is not of the unit: a key stands before its value.
    pub fn mark(&self, start: usize) -> Option<Mark> {
        Some(Mark {
            range: self.range.start.checked_sub(start)?..self.range.end.checked_sub(start)?,
            label: self.label,
            levels: self.levels,
            quote: self.quote,
            behind: self.behind,
        })
    }
}

/// A text, and how its offsets become offsets of the request's own bytes.
pub(super) struct Layer<'a> {
    pub text: &'a str,
    /// The string that `text` was decoded from, and where it begins.
    pub outer: Option<(&'a Decoded<'a>, usize)>,
    /// How often text of this layer is decoded to be read.
    pub levels: u8,
}

impl Layer<'_> {
    pub fn in_request(&self, range: Range<usize>) -> Range<usize> {
        match self.outer {
            None => range,
            Some((decoded, base)) => {
                let raw = decoded.raw_range(range);
                base + raw.start..base + raw.end
            }
        }
    }
}

/// The two characters that a text goes on with, as far as surrogates care.
pub(super) fn behind(text: &str, end: usize) -> [u8; 2] {
    let mut bytes = text.as_bytes()[end..].iter().copied();
    [bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)]
}
