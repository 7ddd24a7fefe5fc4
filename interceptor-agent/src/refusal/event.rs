//! The event that ends a stream, where a protocol has one.

use bytes::{Bytes, BytesMut};
use serde_json::json;

use super::Refusal;
use crate::{eventstream, id::Id, mask::response::Framing, protocol::Protocol};

impl Refusal {
    /// The last event of a stream that may not go on, such as the SDKs raise an error for. None where the stream can only be
    /// broken off.
    pub fn event(&self, protocol: Protocol, framing: Framing, id: &Id) -> Option<Bytes> {
        let body = self.body(protocol, id);
        let event = match (framing, protocol) {
            (Framing::Sse, Protocol::Anthropic) => format!("event: error\ndata: {body}\n\n"),
            (Framing::Sse, Protocol::OpenAi | Protocol::Azure) => {
                // Flat in the Responses API, below `error` in the others.
                let (code, message) = (self.reason.as_str(), self.message(id));
                let mut event =
                    json!({ "type": "error", "code": code, "message": message, "param": null });
                let nested: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
                event["error"] = nested["error"].clone();
                format!("event: error\ndata: {event}\n\n")
            }
            (Framing::Sse, Protocol::Gemini | Protocol::Vertex) => format!("data: {body}\n\n"),
            (Framing::Items, Protocol::Ollama) => format!("{body}\n"),
            (Framing::Messages, Protocol::Bedrock) => {
                let headers = [
                    (":exception-type", "internalServerException"),
                    (":content-type", "application/json"),
                    (":message-type", "exception"),
                ];
                let payload = json!({ "message": self.message(id) }).to_string();
                let mut out = BytesMut::new();
                eventstream::write(&headers, payload.as_bytes(), &mut out);
                return Some(out.freeze());
            }
            _ => return None,
        };
        Some(event.into())
    }
}
