//! A stream of server-sent events.

use std::borrow::Cow;

use bytes::BytesMut;

use super::{super::unmask::Tokens, UnmaskError, document, texts::Texts};
use crate::{
    protocol::Endpoint,
    sse::{Event, Events},
};

#[derive(Clone)]
pub(super) struct EventStream {
    events: Events,
    texts: Texts,
    line_end: &'static [u8],
}

impl EventStream {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize) -> Self {
        Self {
            events: Events::new(limit),
            texts: Texts::new(endpoint.answer),
            line_end: b"\n",
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.events.push(chunk);
    }

    pub(super) fn look(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), UnmaskError> {
        while let Some(event) = self.events.next_event()? {
            pass(&mut self.texts, &mut self.line_end, tokens, event, out)?;
        }
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        tokens: &Tokens,
        out: &mut BytesMut,
    ) -> Result<(), UnmaskError> {
        let rest = self.events.rest();
        pass(&mut self.texts, &mut self.line_end, tokens, rest, out)?;
        if !rest.raw().is_empty() && self.texts.is_holding() {
            out.extend_from_slice(&self.line_end.repeat(2));
        }
        self.texts.end(tokens);
        write_owed(&mut self.texts, self.line_end, out);
        Ok(())
    }
}

fn pass(
    texts: &mut Texts,
    line_end: &mut &'static [u8],
    tokens: &Tokens,
    event: Event<'_>,
    out: &mut BytesMut,
) -> Result<(), UnmaskError> {
    let Some(data) = event.data() else {
        out.extend_from_slice(event.raw());
        return Ok(());
    };
    *line_end = event.line_end();
    if data.trim_ascii() == b"[DONE]" {
        texts.end(tokens);
    }
    let name = event.name();
    let unmasked = match document::read(&data)? {
        Some(doc) => texts.event(tokens, &doc, name),
        None => document::unmask_text(tokens, &data),
    };
    write_owed(texts, line_end, out);
    match unmasked {
        Cow::Borrowed(_) => out.extend_from_slice(event.raw()),
        Cow::Owned(data) => event.write_with(&data, out),
    }
    Ok(())
}

fn write_owed(texts: &mut Texts, line_end: &[u8], out: &mut BytesMut) {
    for event in texts.owed() {
        if let Some(name) = &event.name {
            out.extend_from_slice(b"event: ");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(line_end);
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&event.data);
        out.extend_from_slice(line_end);
        out.extend_from_slice(line_end);
    }
}
