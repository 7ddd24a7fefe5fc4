//! A stream of AWS's event messages: JSON, or chunks that carry JSON of a model's maker in base64.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;

use super::{
    super::unmask::Tokens,
    UnmaskError,
    document::{self, Splice},
    texts::{Owed, Texts},
};
use crate::{
    eventstream::{self, EventStreamError, Message, Messages},
    json::Value,
    protocol::Endpoint,
};

#[derive(Clone)]
pub(super) struct MessageStream {
    messages: Messages,
    texts: Texts,
    /// Whether events come in chunks.
    chunked: bool,
}

impl MessageStream {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize) -> Self {
        Self {
            messages: Messages::new(limit),
            texts: Texts::new(endpoint.answer),
            chunked: false,
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.messages.push(chunk);
    }

    pub(super) fn look(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), UnmaskError> {
        while let Some(message) = self.messages.next_message()? {
            pass(&mut self.texts, &mut self.chunked, tokens, &message, out)?;
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        tokens: &Tokens,
        out: &mut BytesMut,
    ) -> Result<(), UnmaskError> {
        self.texts.end(tokens);
        write_owed(&mut self.texts, self.chunked, out);
        match self.messages.rest() {
            [] => Ok(()),
            _ => Err(EventStreamError::Broken.into()),
        }
    }
}

fn pass(
    texts: &mut Texts,
    chunked: &mut bool,
    tokens: &Tokens,
    message: &Message<'_>,
    out: &mut BytesMut,
) -> Result<(), UnmaskError> {
    if message.header(":message-type") != Some("event") {
        // An exception ends the stream.
        texts.end(tokens);
    }
    let doc = document::read(message.payload())?;
    let chunk = doc.as_ref().and_then(|doc| in_chunk(doc.root()));
    let unmasked = match (&doc, chunk) {
        (None, _) => document::unmask_text(tokens, message.payload()),
        (Some(doc), None) => texts.event(tokens, doc, message.header(":event-type")),
        (Some(doc), Some((bytes, inner))) => {
            *chunked = true;
            let unmasked = match document::read(&inner)? {
                Some(inner) => texts.event(tokens, &inner, message.header(":event-type")),
                None => document::unmask_text(tokens, &inner),
            };
            let mut splice = Splice::new(doc.raw());
            if let Cow::Owned(unmasked) = unmasked {
                splice.put(bytes.inner(), STANDARD.encode(unmasked).as_bytes());
            }
            splice.finish()
        }
    };
    write_owed(texts, *chunked, out);
    match unmasked {
        Cow::Borrowed(_) => out.extend_from_slice(message.raw()),
        Cow::Owned(payload) => message.write_with(&payload, out),
    }
    Ok(())
}

/// What a chunk carries, and where.
fn in_chunk<'d>(payload: Value<'d>) -> Option<(Value<'d>, Vec<u8>)> {
    let bytes = payload.get("bytes")?;
    let inner = STANDARD.decode(bytes.text()?.as_bytes()).ok()?;
    Some((bytes, inner))
}

fn write_owed(texts: &mut Texts, chunked: bool, out: &mut BytesMut) {
    for Owed { name, data } in texts.owed() {
        let kind = [
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        let name = match chunked {
            true => "chunk",
            false => name.as_deref().unwrap_or_default(),
        };
        let headers = [(":event-type", name), kind[0], kind[1]];
        match chunked {
            true => {
                let data = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(data));
                eventstream::write(&headers, data.as_bytes(), out);
            }
            false => eventstream::write(&headers, &data, out),
        }
    }
}

#[cfg(test)]
mod tests;
