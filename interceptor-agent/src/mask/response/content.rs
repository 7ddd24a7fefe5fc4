//! A file that a provider kept, read as it was masked when it was sent: JSON by the line, JSON as a whole, or text.

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
    /// What came and was not read.
    held: Vec<u8>,
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
            held: Vec::new(),
        }
    }

    /// Whether the next bytes are looked at.
    pub(super) fn looks(&self) -> bool {
        !matches!(self.read_as, ReadAs::Document(_))
    }

    pub(super) fn push(
        &mut self,
        tokens: &Tokens,
        chunk: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), UnmaskError> {
        match &mut self.read_as {
            ReadAs::Document(document) => return document.push(chunk),
            ReadAs::Text(text) => {
                out.extend_from_slice(&text.push(tokens, chunk));
                return Ok(());
            }
            ReadAs::Undecided | ReadAs::Lines => self.held.extend_from_slice(chunk),
        }
        if matches!(self.read_as, ReadAs::Undecided) {
            match self.begin() {
                None => return Ok(()),
                Some(ReadAs::Lines) => self.read_as = ReadAs::Lines,
                Some(other) => {
                    self.read_as = other;
                    let held = std::mem::take(&mut self.held);
                    return self.push(tokens, &held, out);
                }
            }
        }
        let whole = memchr::memrchr(b'\n', &self.held).map_or(0, |end| end + 1);
        for line in self.held[..whole].split_inclusive(|&byte| byte == b'\n') {
            self.line(tokens, line, out)?;
        }
        self.held.drain(..whole);
        match self.held.len() > self.line_limit {
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
        let held = std::mem::take(&mut self.held);
        match &mut self.read_as {
            ReadAs::Document(document) => document.finish(tokens, out)?,
            ReadAs::Text(text) => out.extend_from_slice(&text.finish(tokens, b"")),
            ReadAs::Undecided | ReadAs::Lines => self.line(tokens, &held, out)?,
        }
        Ok(())
    }

    /// What the first line says.
    fn begin(&self) -> Option<ReadAs> {
        let first = self.held.iter().find(|byte| !byte.is_ascii_whitespace())?;
        if !b"{[".contains(first) {
            return Some(ReadAs::Text(Pieces::new(Escaping::None)));
        }
        let begun = self.held.trim_ascii_start();
        match memchr::memchr(b'\n', begun) {
            Some(end) if json::parse(&begun[..end]).is_ok() => Some(ReadAs::Lines),
            None if self.held.len() <= self.line_limit => None,
            _ => Some(ReadAs::Document(Document::new(self.endpoint, self.limit))),
        }
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
}
