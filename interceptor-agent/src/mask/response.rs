//! Putting values back into a response: a stream of events or items, a JSON document, or plain text. Does no I/O.

mod content;
mod document;
mod events;
mod grpc;
mod items;
mod messages;
mod single;
mod texts;

use std::sync::Arc;

use bytes::BytesMut;

pub use self::single::EventUnmasker;
use self::{
    content::Content, document::Document, events::EventStream, grpc::GrpcStream, items::ItemStream,
    messages::MessageStream,
};
use super::{
    token::TokenMap,
    unmask::{Escaping, Pieces, Tokens},
};
use crate::{
    eventstream::EventStreamError,
    json::{JsonError, split},
    protobuf::GrpcError,
    protocol::Endpoint,
    sse::EventTooLong,
};

/// Most bytes of what is held until it is whole, a JSON response or one event of a stream, where the config says nothing.
pub const BODY_LIMIT: usize = 64 << 20;

/// How a response body is cut into texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document.
    Json,
    /// Server-sent events.
    Sse,
    /// JSON documents one after the other, as lines or as items of an array.
    Items,
    /// AWS's event messages.
    Messages,
    /// Messages of gRPC.
    Grpc,
    /// A file: its own bytes say what it is.
    Content,
    /// One plain text.
    Text,
}

impl Framing {
    /// The framing that a `content-type` value stands for in an answer of `endpoint`; what is neither JSON nor events
    /// is text.
    pub fn of(endpoint: &Endpoint, value: &str) -> Self {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        let suffix = essence
            .get(essence.len().saturating_sub(5)..)
            .unwrap_or_default();
        if endpoint.answer.file {
            Self::Content
        } else if is("text/event-stream") {
            Self::Sse
        } else if is("application/vnd.amazon.eventstream") {
            Self::Messages
        } else if endpoint.is_grpc() && (is("application/grpc") || is("application/grpc+proto")) {
            Self::Grpc
        } else if LINES.iter().any(|name| is(name)) {
            Self::Items
        } else if is("application/json") || suffix.eq_ignore_ascii_case("+json") {
            match endpoint.answer.array {
                true => Self::Items,
                false => Self::Json,
            }
        } else {
            Self::Text
        }
    }
}

/// Content types of JSON documents by the line.
const LINES: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/stream+json",
];

/// A response that can't be unmasked; the provider's side is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnmaskError {
    /// The body has to be held to be unmasked, and is too long for that.
    #[error("the provider's response is longer than {limit} bytes; raise limits.response_body")]
    BodyTooLong {
        /// Most bytes of a body.
        limit: usize,
    },
    /// One event of the stream is too long.
    #[error(transparent)]
    EventTooLong(#[from] EventTooLong),
    /// A stream of AWS's messages is broken.
    #[error(transparent)]
    EventStream(#[from] EventStreamError),
    /// A message of gRPC is too long or compressed.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// One item of the stream is too long.
    #[error(transparent)]
    ItemTooLong(#[from] split::TooLong),
    /// JSON of more than we read.
    #[error("the provider's answer can't be read: {0}")]
    Unreadable(JsonError),
    /// The answer has something that policy does not let it have.
    #[error("the answer holds {class}, which policy blocks")]
    Blocked {
        /// Name of the class.
        class: &'static str,
    },
}

/// Puts the values of one exchange back into its response.
///
/// With no tokens every byte passes at once. In a stream, an event goes out as soon as it is whole, as it
/// came unless its texts change; the end of a text that may be the beginning of a token goes out with the
/// text's next piece, or in an event of our own before the text ends.
pub struct Unmasker {
    tokens: Tokens,
    body: Body,
    /// Whether the chunk of the next attempt was taken in by the one before.
    is_fed: bool,
}

#[derive(Clone)]
enum Body {
    /// Nothing to put back.
    Untouched,
    Text(Pieces),
    Document(Document),
    Content(Box<Content>),
    Events(Box<EventStream>),
    Items(Box<ItemStream>),
    Messages(Box<MessageStream>),
    Grpc(Box<GrpcStream>),
}

impl Unmasker {
    /// For a response of `endpoint`, with the default limits.
    pub fn new(endpoint: &'static Endpoint, framing: Framing, tokens: Arc<TokenMap>) -> Self {
        let tokens = Tokens::new(tokens);
        Self::with_limits(endpoint, framing, tokens, BODY_LIMIT, BODY_LIMIT)
    }

    /// With limits in bytes for a JSON body and for one event of a stream. What is put back into either, or into one chunk
    /// of a stream, has the same limit.
    pub fn with_limits(
        endpoint: &'static Endpoint,
        framing: Framing,
        tokens: Tokens,
        body_limit: usize,
        event_limit: usize,
    ) -> Self {
        let tokens = tokens.limited(match framing {
            Framing::Json | Framing::Content => body_limit,
            _ => event_limit,
        });
        let body = match framing {
            _ if tokens.is_empty() => Body::Untouched,
            Framing::Json => Body::Document(Document::new(endpoint, body_limit)),
            Framing::Sse => Body::Events(Box::new(EventStream::new(endpoint, event_limit))),
            Framing::Items => Body::Items(Box::new(ItemStream::new(endpoint, event_limit))),
            Framing::Messages => {
                Body::Messages(Box::new(MessageStream::new(endpoint, event_limit)))
            }
            Framing::Grpc => Body::Grpc(Box::new(GrpcStream::new(endpoint, event_limit))),
            Framing::Content => {
                Body::Content(Box::new(Content::new(endpoint, body_limit, event_limit)))
            }
            Framing::Text => Body::Text(Pieces::new(Escaping::None)),
        };
        Self {
            tokens,
            body,
            is_fed: false,
        }
    }

    /// Whether trailers are part of the answer, not of its coded form.
    pub fn keeps_trailers(&self) -> bool {
        matches!(self.body, Body::Grpc(_))
    }

    /// Whether the body passes as it is, so that its length is known.
    pub fn is_untouched(&self) -> bool {
        matches!(self.body, Body::Untouched)
    }

    /// Takes the next bytes of the body, cut anywhere, and appends to `out` what can go to the client.
    ///
    /// # Errors
    /// When a limit is exceeded, or policy blocks what came; the response can't go on.
    pub fn push(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), UnmaskError> {
        self.feed(chunk)?;
        self.look(chunk, out)
    }

    /// Takes the next bytes where they are held until something is whole.
    fn feed(&mut self, chunk: &[u8]) -> Result<(), UnmaskError> {
        match &mut self.body {
            Body::Untouched | Body::Text(_) => {}
            Body::Document(document) => document.feed(chunk)?,
            Body::Content(content) => content.feed(chunk)?,
            Body::Events(events) => events.feed(chunk),
            Body::Items(items) => items.feed(chunk),
            Body::Messages(messages) => messages.feed(chunk),
            Body::Grpc(messages) => messages.feed(chunk),
        }
        Ok(())
    }

    /// Appends to `out` what can go to the client now that it is fed `chunk`.
    fn look(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), UnmaskError> {
        let before = out.len();
        self.tokens.clear();
        match &mut self.body {
            Body::Untouched => out.extend_from_slice(chunk),
            Body::Text(text) => out.extend_from_slice(&text.push(&self.tokens, chunk)),
            Body::Document(_) => {}
            Body::Content(content) => content.look(&self.tokens, out)?,
            Body::Events(events) => events.look(&self.tokens, out)?,
            Body::Items(items) => items.look(&self.tokens, out)?,
            Body::Messages(messages) => messages.look(&self.tokens, out)?,
            Body::Grpc(messages) => messages.look(&self.tokens, out)?,
        }
        self.judged(before, out)
    }

    /// [`Self::push`], or [`Self::finish`] where no chunk is left, as far as it is known what tokens stand for. Where it is
    /// not, nothing was done, and those tokens are returned: once they are resolved, the same is to be tried again.
    ///
    /// # Errors
    /// When a limit is exceeded; the response can't go on.
    pub fn attempt(
        &mut self,
        chunk: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> Result<Vec<String>, UnmaskError> {
        if let Some(chunk) = chunk
            && !self.is_fed
        {
            self.feed(chunk)?;
        }
        // What is held may be long, and both share it.
        let before = self.tokens.knows_keyed().then(|| self.body.clone());
        let length = out.len();
        match chunk {
            Some(chunk) => self.look(chunk, out)?,
            None => self.finish(out)?,
        }
        let missing = self.tokens.take_missing();
        self.is_fed = !missing.is_empty();
        if let (true, Some(before)) = (self.is_fed, before) {
            self.body = before;
            out.truncate(length);
        } else {
            self.tokens.tidy();
        }
        Ok(missing)
    }

    /// What tokens of other exchanges stand for; those without a value are none.
    pub fn resolve(&mut self, found: Vec<(String, Option<String>)>) {
        self.tokens.resolve(found);
    }

    /// Appends to `out` what was held, once the body has ended.
    ///
    /// # Errors
    /// As for [`Unmasker::push`].
    pub fn finish(&mut self, out: &mut BytesMut) -> Result<(), UnmaskError> {
        let before = out.len();
        self.tokens.clear();
        match &mut self.body {
            Body::Untouched => {}
            Body::Text(text) => out.extend_from_slice(&text.finish(&self.tokens, b"")),
            Body::Document(document) => document.finish(&self.tokens, out)?,
            Body::Content(content) => content.finish(&self.tokens, out)?,
            Body::Events(events) => events.finish(&self.tokens, out)?,
            Body::Items(items) => items.finish(&self.tokens, out),
            Body::Messages(messages) => messages.finish(&self.tokens, out)?,
            Body::Grpc(messages) => messages.finish(&self.tokens, out)?,
        }
        self.judged(before, out)
    }

    /// Takes back what was appended behind `before`, if it may not go out.
    fn judged(&self, before: usize, out: &mut BytesMut) -> Result<(), UnmaskError> {
        judge(&self.tokens).inspect_err(|_| out.truncate(before))
    }
}

/// Whether what was unmasked may go out.
fn judge(tokens: &Tokens) -> Result<(), UnmaskError> {
    match (tokens.blocked(), tokens.exceeded()) {
        (Some(class), _) => Err(UnmaskError::Blocked { class }),
        (None, Some(limit)) => Err(UnmaskError::BodyTooLong { limit }),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
