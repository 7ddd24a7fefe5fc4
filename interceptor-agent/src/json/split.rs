//! Objects cut out of a stream of JSON: lines of them, or the items of one array. Checks no grammar.

use std::sync::Arc;

use memchr::memchr2;

/// One object is longer than the buffer may grow; the server is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an item of more than {limit} bytes; raise limits.response_body")]
pub struct TooLong {
    /// Most bytes of one object.
    pub limit: usize,
}

/// Cuts a stream; holds at most one unfinished object and the chunk that came last. Clones share it until bytes are
/// pushed.
#[derive(Clone)]
pub struct Splitter {
    buffer: Arc<Vec<u8>>,
    /// Start of what was not handed out, and how far it was read.
    start: usize,
    read: usize,
    /// Brackets that are open, the object's own included.
    depth: usize,
    in_string: bool,
    limit: usize,
}

/// A part of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'b> {
    /// A byte between objects: white space, a comma, a bracket of the array around them; or no JSON at all.
    Between(u8),
    /// An object.
    Object(&'b [u8]),
}

impl Splitter {
    /// Objects of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Arc::default(),
            start: 0,
            read: 0,
            depth: 0,
            in_string: false,
            limit,
        }
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, chunk: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffer);
        buffer.drain(..self.start);
        buffer.extend_from_slice(chunk);
        self.read -= self.start;
        self.start = 0;
    }

    /// The next part; `None` until more bytes come.
    ///
    /// # Errors
    /// When an object is longer than the limit, finished or not.
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>, TooLong> {
        while let Some(at) = self.find() {
            let byte = self.buffer[at];
            self.read = at + 1;
            match byte {
                _ if self.depth == 0 && byte != b'{' => {
                    self.start = self.read;
                    return Ok(Some(Part::Between(byte)));
                }
                b'\\' if self.read == self.buffer.len() => {
                    self.read = at;
                    break;
                }
                b'\\' => self.read += 1,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                _ => {
                    let object = self.start..self.read;
                    (self.start, self.depth) = (self.read, 0);
                    self.limited(object.len())?;
                    return Ok(Some(Part::Object(&self.buffer[object])));
                }
            }
        }
        self.limited(self.buffer.len() - self.start)?;
        Ok(None)
    }

    /// What is left when the stream has ended: the beginning of an object, or nothing.
    pub fn rest(&mut self) -> Vec<u8> {
        (self.read, self.depth, self.in_string) = (0, 0, false);
        let rest = self.buffer[self.start..].to_vec();
        (self.buffer, self.start) = (Arc::default(), 0);
        rest
    }

    /// Where the next byte stands that matters.
    fn find(&mut self) -> Option<usize> {
        let unread = &self.buffer[self.read..];
        let found = match (self.depth, self.in_string) {
            (0, _) => (!unread.is_empty()).then_some(0),
            (_, true) => memchr2(b'"', b'\\', unread),
            (_, false) => {
                let matters = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']');
                unread.iter().position(matters)
            }
        };
        if found.is_none() {
            self.read = self.buffer.len();
        }
        found.map(|found| self.read + found)
    }

    fn limited(&self, length: usize) -> Result<(), TooLong> {
        match length > self.limit {
            true => Err(TooLong { limit: self.limit }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes between as text, objects in angle brackets.
    fn split(stream: &str, size: usize) -> String {
        let mut splitter = Splitter::new(64);
        let mut seen = Vec::new();
        for chunk in stream.as_bytes().chunks(size) {
            splitter.push(chunk);
            while let Some(part) = splitter.next_part().unwrap() {
                match part {
                    Part::Between(byte) => seen.push(byte),
                    Part::Object(object) => seen.extend([b"<", object, b">"].concat()),
                }
            }
        }
        seen.extend([b"~", &splitter.rest()[..]].concat());
        String::from_utf8(seen).unwrap()
    }

    #[test]
    fn objects_are_cut_out_of_any_chunks() {
        for (stream, parts) in [
            ("[{\"a\":[1]}\n,\r\n{}]", "[<{\"a\":[1]}>\n,\r\n<{}>]~"),
            (
                "{\"a\":\"}\\\"{\"}\n{\"b\":{}}\n",
                "<{\"a\":\"}\\\"{\"}>\n<{\"b\":{}}>\n~",
            ),
            ("{\"\\\\\":1} {\"a\":", "<{\"\\\\\":1}> ~{\"a\":"),
            ("}] 1 \"é\" null", "}] 1 \"é\" null~"),
            ("", "~"),
        ] {
            for size in [1, 2, 3, 100] {
                assert_eq!(split(stream, size), parts, "{size}");
            }
        }
    }

    #[test]
    fn brackets_take_time_as_they_are_many() {
        const DEPTH: usize = 4_000_000;
        let deep = [vec![b'['; DEPTH], vec![b']'; DEPTH]].concat();
        let object = [&b"{\"a\":"[..], &deep, b"}"].concat();
        let mut splitter = Splitter::new(object.len());
        let started = std::time::Instant::now();
        splitter.push(&object);
        assert_eq!(splitter.next_part(), Ok(Some(Part::Object(&object))));
        // Searching the rest of the chunk for each of them takes minutes.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        let mut splitter = Splitter::new(8);
        splitter.push(b"[                {\"a\":12}");
        while splitter
            .next_part()
            .unwrap()
            .is_some_and(|part| part == Part::Between(b' ') || part == Part::Between(b'['))
        {
        }
        splitter.push(b"{\"a\":123");
        assert_eq!(splitter.next_part(), Ok(None));
        splitter.push(b"4");
        assert_eq!(splitter.next_part(), Err(TooLong { limit: 8 }));
    }
}
