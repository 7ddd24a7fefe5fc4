//! Server-sent events cut out of a byte stream, any line ending, any chunking.
//!
//! An event keeps its raw bytes, so that one that needs no change is forwarded as it came.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::BytesMut;
use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event is longer than the buffer may grow; the server is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an event of more than {limit} bytes; raise limits.response_body")]
pub struct EventTooLong {
    /// Most bytes of one event.
    pub limit: usize,
}

/// Cuts a stream into events; holds at most one unfinished event and the chunk that came last. Clones share it until bytes
/// are pushed.
#[derive(Clone)]
pub struct Events {
    buffer: Arc<Vec<u8>>,
    /// Start of the first event that was not handed out.
    start: usize,
    /// Start of the line being read, and how far it was searched for its end.
    line: usize,
    searched: usize,
    limit: usize,
}

impl Events {
    /// Events of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Arc::default(),
            start: 0,
            line: 0,
            searched: 0,
            limit,
        }
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, chunk: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffer);
        buffer.drain(..self.start);
        buffer.extend_from_slice(chunk);
        self.line -= self.start;
        self.searched -= self.start;
        self.start = 0;
    }

    /// The next whole event with the blank line that ends it; `None` until more bytes come.
    ///
    /// After a CR the event is out at once; should an LF follow, it comes as an event without fields.
    ///
    /// # Errors
    /// When the event is longer than the limit, finished or not.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, EventTooLong> {
        loop {
            let end = memchr2(b'\n', b'\r', &self.buffer[self.searched..]);
            let end = end.map(|found| self.searched + found);
            self.searched = end.unwrap_or(self.buffer.len());
            if self.searched - self.start > self.limit {
                return Err(EventTooLong { limit: self.limit });
            }
            let Some(end) = end else {
                return Ok(None);
            };
            let blank = end == self.line;
            // The second half of a CRLF ends no line.
            let continues_crlf = blank
                && self.buffer[end] == b'\n'
                && end > self.start
                && self.buffer[end - 1] == b'\r';
            self.line = end + 1;
            self.searched = self.line;
            if blank && !continues_crlf {
                if self.buffer[end..].starts_with(b"\r\n") {
                    self.line += 1;
                    self.searched += 1;
                }
                let start = self.start;
                self.start = self.line;
                return Ok(Some(Event(&self.buffer[start..self.line])));
            }
        }
    }

    /// What is left when the stream has ended: an event without its blank line, or nothing.
    pub fn rest(&mut self) -> Event<'_> {
        let start = self.start;
        self.start = self.buffer.len();
        self.line = self.start;
        self.searched = self.start;
        Event(&self.buffer[start..])
    }
}

/// One event: its raw bytes, all its lines.
#[derive(Clone, Copy)]
pub struct Event<'b>(&'b [u8]);

/// One line of an event.
struct Line<'b> {
    /// With its line end.
    raw: &'b [u8],
    /// The value, when this is a data line.
    data: Option<Range<usize>>,
}

impl<'b> Event<'b> {
    /// The bytes as they came in.
    pub fn raw(self) -> &'b [u8] {
        self.0
    }

    /// The values of the data lines, joined by LF; `None` when there is no data line.
    pub fn data(self) -> Option<Cow<'b, [u8]>> {
        let mut values = self
            .lines()
            .filter_map(|line| line.data.map(|data| &line.raw[data]));
        let mut data = Cow::Borrowed(values.next()?);
        for value in values {
            let joined = data.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
        Some(data)
    }

    /// The value of the last `event` line, where there is one in UTF-8.
    pub fn name(self) -> Option<&'b str> {
        let named = |line: &'b [u8]| {
            let line = without_end(line);
            let value = line.strip_prefix(b"event:")?;
            Some(value.strip_prefix(b" ").unwrap_or(value))
        };
        let name = Lines(self.0).filter_map(named).last()?;
        str::from_utf8(name).ok()
    }

    /// Writes this event with other data: the first data line becomes one line for each line of `data`,
    /// the other data lines go, everything else stays where it is.
    pub fn write_with(self, data: &[u8], out: &mut BytesMut) {
        let mut written = false;
        for line in self.lines() {
            match line.data {
                None => out.extend_from_slice(line.raw),
                Some(_) if written => {}
                Some(value) => {
                    written = true;
                    let (name, end) = (&line.raw[..value.start], &line.raw[value.end..]);
                    let between = if end.is_empty() { b"\n" } else { end };
                    // Behind a line end there is one more line, with nothing in it.
                    let last = without_end(data).len() < data.len() || data.is_empty();
                    let parts = Lines(data).chain(last.then_some(&b""[..]));
                    for (number, part) in parts.map(without_end).enumerate() {
                        if number > 0 {
                            out.extend_from_slice(between);
                        }
                        let marked = name.strip_prefix(BYTE_ORDER_MARK).filter(|_| number > 0);
                        out.extend_from_slice(marked.unwrap_or(name));
                        out.extend_from_slice(separator(name, part));
                        out.extend_from_slice(part);
                    }
                    out.extend_from_slice(end);
                }
            }
        }
    }

    /// What this event's first line ends with; LF when it doesn't say.
    pub fn line_end(self) -> &'static [u8] {
        let first = Lines(self.0).next().unwrap_or_default();
        match first {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\r'] => b"\r",
            _ => b"\n",
        }
    }

    fn lines(self) -> impl Iterator<Item = Line<'b>> {
        Lines(self.0).map(|raw| Line {
            raw,
            data: data_value(raw),
        })
    }
}

/// What is missing between a line's name and its new value, so that a reader takes no part of it for the separator.
fn separator(name: &[u8], value: &[u8]) -> &'static [u8] {
    match (name.last(), value.first()) {
        (Some(b':'), Some(b' ')) => b" ",
        (Some(b':' | b' '), _) | (_, None) => b"",
        (_, Some(b' ')) => b": ",
        (_, Some(_)) => b":",
    }
}

/// Where the value of a data line stands in it.
fn data_value(line: &[u8]) -> Option<Range<usize>> {
    let end = without_end(line).len();
    let mark = if line.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let after_name = line[mark..end].strip_prefix(b"data")?;
    let value = match after_name {
        [] => after_name,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some(end - value.len()..end)
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines with their ends: LF, CRLF or CR.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = match memchr2(b'\n', b'\r', self.0) {
            None => self.0.len(),
            Some(at) if self.0[at..].starts_with(b"\r\n") => at + 2,
            Some(at) => at + 1,
        };
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests;
