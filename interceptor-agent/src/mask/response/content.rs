//! A file that a provider kept, read as it was masked when it was sent: JSON by the line, JSON as a whole, or text.

use std::sync::Arc;

use bytes::BytesMut;

use super::{
    super::unmask::{Escaping, Pieces, Tokens},
    UnmaskError,
    document::{self, Document},
};
use crate::{json, protocol::Endpoint};

#[derive(Clone)]
pub(super) struct Content {
    endpoint: &'static Endpoint,
    /// Most bytes of a document, and of a line.
    limit: usize,
    line_limit: usize,
    read_as: ReadAs,
    /// What came and was not read; clones share it until more comes.
    held: Arc<Vec<u8>>,
    /// How much of it was read since, how far a line end was looked for, and how much white space it begins with.
    start: usize,
    searched: usize,
    blank: usize,
}

#[derive(Clone)]
enum ReadAs {
    /// Its beginning says too little yet.
    Undecided,
    Lines,
    Document(Document),
    Text(Pieces),
}

impl Content {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize, line_limit: usize) -> Self {
        Self {
            endpoint,
            limit,
            line_limit,
            read_as: ReadAs::Undecided,
            held: Arc::default(),
            start: 0,
            searched: 0,
            blank: 0,
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<(), UnmaskError> {
        if let ReadAs::Document(document) = &mut self.read_as {
            return document.feed(chunk);
        }
        let held = Arc::make_mut(&mut self.held);
        held.drain(..self.start);
        held.extend_from_slice(chunk);
        self.searched -= self.start;
        self.start = 0;
        Ok(())
    }

    pub(super) fn look(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), UnmaskError> {
        if matches!(self.read_as, ReadAs::Undecided) {
            self.begin()?;
        }
        match &mut self.read_as {
            ReadAs::Undecided | ReadAs::Document(_) => return Ok(()),
            ReadAs::Text(text) => {
                out.extend_from_slice(&text.push(tokens, &self.held[self.start..]));
                self.start = self.held.len();
                self.searched = self.start;
                return Ok(());
            }
            ReadAs::Lines => {}
        }
        while let Some(end) = self.line_end(self.searched) {
            self.line(tokens, &self.held[self.start..end], out)?;
            (self.start, self.searched) = (end, end);
        }
        self.searched = self.held.len();
        match self.held.len() - self.start > self.line_limit {
            true => Err(UnmaskError::BodyTooLong {
                limit: self.line_limit,
            }),
            false => Ok(()),
        }
    }

    pub(super) fn finish(
        &mut self,
        tokens: &Tokens,
        out: &mut BytesMut,
    ) -> Result<(), UnmaskError> {
        match &mut self.read_as {
            ReadAs::Document(document) => document.finish(tokens, out)?,
            ReadAs::Text(text) => out.extend_from_slice(&text.finish(tokens, b"")),
            ReadAs::Undecided | ReadAs::Lines => {
                self.line(tokens, &self.held[self.start..], out)?;
            }
        }
        Ok(())
    }

    /// What the first line says, once it is there or too long.
    fn begin(&mut self) -> Result<(), UnmaskError> {
        let is_long = self.held.len() > self.line_limit;
        let unseen = self.held[self.blank..].iter();
        self.blank += unseen.take_while(|byte| byte.is_ascii_whitespace()).count();
        let first = self.held.get(self.blank);
        let begins_json = first.is_some_and(|first| b"{[".contains(first));
        if !begins_json && (first.is_some() || is_long) {
            self.read_as = ReadAs::Text(Pieces::new(Escaping::None));
            return Ok(());
        }
        if first.is_none() {
            return Ok(());
        }
        match self.line_end(self.searched.max(self.blank)) {
            Some(end) if json::parse(&self.held[self.blank..end]).is_ok() => {
                self.read_as = ReadAs::Lines;
                self.searched = 0;
            }
            None if !is_long => self.searched = self.held.len(),
            _ => {
                let mut document = Document::new(self.endpoint, self.limit);
                document.feed(&self.held)?;
                self.read_as = ReadAs::Document(document);
                self.held = Arc::default();
            }
        }
        Ok(())
    }

    /// Behind the first line end from here on.
    fn line_end(&self, from: usize) -> Option<usize> {
        memchr::memchr(b'\n', &self.held[from..]).map(|end| from + end + 1)
    }

    fn line(&self, tokens: &Tokens, line: &[u8], out: &mut BytesMut) -> Result<(), UnmaskError> {
        out.extend_from_slice(&match document::read(line)? {
            Some(doc) => document::unmask(self.endpoint.answer, tokens, &doc),
            None => tokens.unmask(line, Escaping::None),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        mask::{
            response::{Framing, Unmasker},
            token::TokenMap,
        },
        protocol::openai,
    };

    const VALUE: &str = "a\"b\nc";

    fn unmasked(body: &str, size: usize) -> String {
        let map = TokenMap::from_iter([("PEM_001".to_owned(), VALUE.to_owned())]);
        let mut unmasker = Unmasker::with_limits(
            &openai::CONTENT,
            Framing::of(&openai::CONTENT, "application/octet-stream"),
            Tokens::new(Arc::new(map)),
            1 << 20,
            200,
        );
        let mut out = BytesMut::new();
        for chunk in body.as_bytes().chunks(size) {
            unmasker.push(chunk, &mut out).unwrap();
        }
        unmasker.finish(&mut out).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_file_is_read_as_what_it_begins_as() {
        let line = r#"{"id":"PEM_001","n":1.0,"body":{"arguments":"{\"k\":\"PEM_001\"}","x":["PEM_001"]}}"#;
        let read = r#"{"id":"a\"b\nc","n":1.0,"body":{"arguments":"{\"k\":\"a\\\"b\\nc\"}","x":["a\"b\nc"]}}"#;
        let padding = " ".repeat(300);
        for (body, expected) in [
            (format!("{line}\n\n{line}"), format!("{read}\n\n{read}")),
            (format!(" \n{line}\r\n"), format!(" \n{read}\r\n")),
            (line.to_owned(), read.to_owned()),
            (
                format!("[\n{line},\n{line}\n]"),
                format!("[\n{read},\n{read}\n]"),
            ),
            (format!("[{padding}{line}]"), format!("[{padding}{read}]")),
            ("key,PEM_001\n".to_owned(), format!("key,{VALUE}\n")),
            (
                "{{ PEM_001 }}\nPEM_001".to_owned(),
                format!("{{{{ {VALUE} }}}}\n{VALUE}"),
            ),
            (format!("{line}\nPEM_001\n"), format!("{read}\n{VALUE}\n")),
            (String::new(), String::new()),
        ] {
            for size in [1, 7, 100_000] {
                assert_eq!(unmasked(&body, size), expected, "{size}");
            }
        }
    }

    #[test]
    fn white_space_takes_time_as_it_is_much() {
        const LENGTH: usize = 2 << 20;
        let map = TokenMap::from_iter([("PEM_001".to_owned(), VALUE.to_owned())]);
        let tokens = Tokens::new(Arc::new(map));
        let mut content = Content::new(&openai::CONTENT, LENGTH, LENGTH);
        let mut out = BytesMut::new();
        let started = std::time::Instant::now();
        for chunk in vec![b' '; LENGTH].chunks(8) {
            content.feed(chunk).unwrap();
            content.look(&tokens, &mut out).unwrap();
        }
        // Looking at all of it for each chunk takes an hour.
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        assert!(out.is_empty());
    }
}
