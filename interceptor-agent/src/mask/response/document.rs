//! A JSON document: held until it is whole, then its texts are replaced where they stand.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::BytesMut;

use super::{
    super::unmask::{Escaping, Tokens},
    UnmaskError,
};
use crate::{
    json::{self, Doc, JsonError},
    protocol::{Endpoint, response::Answer},
};

#[derive(Clone)]
pub(super) struct Document {
    answer: &'static Answer,
    body: Arc<Vec<u8>>,
    limit: usize,
}

impl Document {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize) -> Self {
        Self {
            answer: endpoint.answer,
            body: Arc::default(),
            limit,
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<(), UnmaskError> {
        if self.body.len() + chunk.len() > self.limit {
            return Err(UnmaskError::BodyTooLong { limit: self.limit });
        }
        Arc::make_mut(&mut self.body).extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        tokens: &Tokens,
        out: &mut BytesMut,
    ) -> Result<(), UnmaskError> {
        let body = std::mem::take(&mut self.body);
        out.extend_from_slice(&match read(&body)? {
            Some(doc) => unmask(self.answer, tokens, &doc),
            None if self.answer.file => tokens.unmask(&body, Escaping::None),
            // A gateway's HTML page, most likely.
            None => unmask_text(tokens, &body),
        });
        Ok(())
    }
}

/// A document; `None` for what is no JSON.
///
/// # Errors
/// For JSON that is more than we read: the client may read it.
pub(super) fn read(raw: &[u8]) -> Result<Option<Doc<'_>>, UnmaskError> {
    match json::parse(raw) {
        Ok(doc) => Ok(Some(doc)),
        Err(JsonError::NotUtf8 { .. } | JsonError::Syntax { .. }) => Ok(None),
        Err(
            error @ (JsonError::TooDeep { .. } | JsonError::TooManyValues | JsonError::TooLarge),
        ) => Err(UnmaskError::Unreadable(error)),
    }
}

/// What is no JSON with values put back: a text. What begins as an object is one to lenient readers (`NaN`, a tab in a
/// string), so values are escaped as in one.
pub(super) fn unmask_text<'r>(tokens: &Tokens, raw: &'r [u8]) -> Cow<'r, [u8]> {
    let escaping = match raw.trim_ascii_start().starts_with(b"{") {
        true => Escaping::Json,
        false => Escaping::None,
    };
    tokens.unmask(raw, escaping)
}

/// A whole document with values put back.
pub(super) fn unmask<'a>(answer: &Answer, tokens: &Tokens, doc: &Doc<'a>) -> Cow<'a, [u8]> {
    let mut splice = Splice::new(doc.raw());
    answer.texts(doc.root(), &mut |text, nested| {
        let raw = text.inner_raw().as_bytes();
        splice.put(text.inner(), &tokens.unmask(raw, escaping(nested)));
    });
    splice.finish()
}

/// How text stands in a string of a document.
pub(super) fn escaping(nested: bool) -> Escaping {
    match nested {
        true => Escaping::JsonInJson,
        false => Escaping::Json,
    }
}

/// A text with some of its ranges replaced, in order; borrowed as long as nothing differs.
pub(super) struct Splice<'a> {
    raw: &'a [u8],
    copied: usize,
    out: Vec<u8>,
}

impl<'a> Splice<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self {
            raw,
            copied: 0,
            out: Vec::new(),
        }
    }

    /// Puts `with` where `range` is; ranges come in order.
    pub(super) fn put(&mut self, range: Range<usize>, with: &[u8]) {
        if self.raw[range.clone()] == *with {
            return;
        }
        if self.out.is_empty() {
            self.out.reserve(self.raw.len() + with.len());
        }
        self.out
            .extend_from_slice(&self.raw[self.copied..range.start]);
        self.out.extend_from_slice(with);
        self.copied = range.end;
    }

    pub(super) fn finish(mut self) -> Cow<'a, [u8]> {
        if self.copied == 0 {
            return Cow::Borrowed(self.raw);
        }
        self.out.extend_from_slice(&self.raw[self.copied..]);
        Cow::Owned(self.out)
    }
}
