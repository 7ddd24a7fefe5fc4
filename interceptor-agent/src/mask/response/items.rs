//! A stream of JSON values, as lines or as the items of one array: each goes out once it is whole.

use bytes::BytesMut;

use super::{super::unmask::Tokens, UnmaskError, document, texts::Texts};
use crate::{
    json::split::{Part, Splitter},
    protocol::Endpoint,
};

#[derive(Clone)]
pub(super) struct ItemStream {
    splitter: Splitter,
    texts: Texts,
    /// Whether the values are items of an array.
    in_array: bool,
    /// Whether nothing has come yet, and whether a value came last.
    at_start: bool,
    behind_item: bool,
}

impl ItemStream {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize) -> Self {
        Self {
            splitter: Splitter::new(limit),
            texts: Texts::new(endpoint.answer),
            in_array: false,
            at_start: true,
            behind_item: false,
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.splitter.push(chunk);
    }

    pub(super) fn look(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), UnmaskError> {
        let Self {
            splitter,
            texts,
            in_array,
            at_start,
            behind_item,
        } = self;
        while let Some(part) = splitter.next_part()? {
            match part {
                Part::Between(byte) => {
                    if *at_start && !byte.is_ascii_whitespace() {
                        (*in_array, *at_start) = (byte == b'[', false);
                    }
                    if byte == b']' {
                        texts.end(tokens);
                        for event in texts.owed() {
                            out.extend_from_slice(if *behind_item { b",\n" } else { b"" });
                            out.extend_from_slice(&event.data);
                        }
                    }
                    *behind_item &= byte != b',' && byte != b'\n';
                    out.extend_from_slice(&[byte]);
                }
                Part::Object(raw) => {
                    let unmasked = match document::read(raw)? {
                        Some(doc) => texts.event(tokens, &doc, None),
                        None => document::unmask_text(tokens, raw),
                    };
                    for event in texts.owed() {
                        out.extend_from_slice(&event.data);
                        out.extend_from_slice(if *in_array { b",\n" } else { b"\n" });
                    }
                    out.extend_from_slice(&unmasked);
                    (*at_start, *behind_item) = (false, true);
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, tokens: &Tokens, out: &mut BytesMut) {
        let rest = self.splitter.rest();
        out.extend_from_slice(&document::unmask_text(tokens, &rest));
        self.texts.end(tokens);
        for event in self.texts.owed() {
            if self.behind_item || !rest.is_empty() {
                out.extend_from_slice(if self.in_array { b",\n" } else { b"\n" });
            }
            out.extend_from_slice(&event.data);
            out.extend_from_slice(if self.in_array { b"" } else { b"\n" });
            self.behind_item = self.in_array;
        }
    }
}
