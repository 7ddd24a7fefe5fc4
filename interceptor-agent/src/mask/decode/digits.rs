//! Runs of base64's digits in a text, one run where lines break it.

use std::{borrow::Cow, ops::Range};

/// Least digits in a row: eight bytes, the least that a value has.
const LEAST_RUN: usize = 11;
/// A line of at least this many digits may go on in the next.
const LEAST_LINE: usize = 32;

/// The next run of digits at or behind `start`. Looks at the end of a possible run first, so that short words cost little.
pub fn next_run(text: &[u8], mut start: usize) -> Option<Range<usize>> {
    loop {
        let least = text.get(start..start + LEAST_RUN)?;
        match least.iter().rposition(|&byte| !is_digit(byte)) {
            Some(other) => start += other + 1,
            None => return Some(start..run_end(text, start + LEAST_RUN)),
        }
    }
}

fn run_end(text: &[u8], from: usize) -> usize {
    let more = text[from..].iter().take_while(|&&byte| is_digit(byte));
    from + more.count()
}

fn is_digit(byte: u8) -> bool {
    const DIGITS: [bool; 256] = {
        let mut digits = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            digits[byte] = (byte as u8).is_ascii_alphanumeric()
                || matches!(byte as u8, b'+' | b'/' | b'-' | b'_');
            byte += 1;
        }
        digits
    };
    DIGITS[usize::from(byte)]
}

/// Digits without the line breaks between them.
pub struct Digits<'t> {
    text: &'t [u8],
    all: Cow<'t, [u8]>,
    /// Where the first line is in the text.
    first: Range<usize>,
    /// For each further line, its first digit and where that is in the text.
    more: Vec<(usize, usize)>,
}

impl<'t> Digits<'t> {
    /// The run, and the lines that go on with it.
    pub fn new(text: &'t [u8], first: Range<usize>) -> Self {
        let mut all = Cow::Borrowed(&text[first.clone()]);
        let mut more = Vec::new();
        let mut line = first.clone();
        while let Some(next) = next_line(text, &line) {
            more.push((all.len(), next.start));
            all.to_mut().extend_from_slice(&text[next.clone()]);
            line = next;
        }
        Self {
            text,
            all,
            first,
            more,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[u8] {
        &self.all
    }

    /// Where they end in the text.
    pub fn end(&self) -> usize {
        self.offset(self.all.len())
    }

    /// Where a range of digits is in the text, with the padding behind the last of all.
    pub fn raw(&self, place: Range<usize>) -> Range<usize> {
        let end = self.offset(place.end - 1) + 1;
        let padding = self.text[end..]
            .iter()
            .take(2)
            .take_while(|&&byte| byte == b'=');
        let padding = if place.end == self.all.len() {
            padding.count()
        } else {
            0
        };
        self.offset(place.start)..end + padding
    }

    fn offset(&self, digit: usize) -> usize {
        let lines = self.more.partition_point(|&(first, _)| first <= digit);
        let (first, start) = lines
            .checked_sub(1)
            .map_or((0, self.first.start), |last| self.more[last]);
        start + digit - first
    }
}

/// The digits of the line behind one of digits that reaches its own end.
fn next_line(text: &[u8], line: &Range<usize>) -> Option<Range<usize>> {
    let newline = match text[line.end..] {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => return None,
    };
    let behind = &text[line.end + newline..];
    let indent = behind
        .iter()
        .take_while(|byte| b" \t".contains(byte))
        .count();
    let start = line.end + newline + indent;
    let end = run_end(text, start);
    (line.len() >= LEAST_LINE && end > start).then_some(start..end)
}
