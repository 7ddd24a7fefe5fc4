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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eventstream::Messages, refusal::Reason, sse::Events};

    fn event(protocol: Protocol, framing: Framing) -> Option<Bytes> {
        Refusal::from(Reason::BlockedAnswer).event(protocol, framing, &Id::new())
    }

    #[test]
    fn events_are_what_the_sdks_raise_an_error_for() {
        for (protocol, name, pointer) in [
            (Protocol::Anthropic, Some("error"), "/error/message"),
            (Protocol::OpenAi, Some("error"), "/error/message"),
            (Protocol::Azure, Some("error"), "/message"),
            (Protocol::Gemini, None, "/error/message"),
        ] {
            let bytes = event(protocol, Framing::Sse).unwrap();
            let mut events = Events::new(1 << 20);
            events.push(&bytes);
            let event = events.next_event().unwrap().unwrap();
            assert_eq!(event.name(), name);
            let data: serde_json::Value = serde_json::from_slice(&event.data().unwrap()).unwrap();
            let message = data.pointer(pointer).and_then(|message| message.as_str());
            assert!(message.unwrap().contains("policy blocks"), "{data}");
        }
        let line = event(Protocol::Ollama, Framing::Items).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert!(line["error"].is_string());
        let bytes = event(Protocol::Bedrock, Framing::Messages).unwrap();
        let mut messages = Messages::new(1 << 20);
        messages.push(&bytes);
        let message = messages.next_message().unwrap().unwrap();
        assert_eq!(message.header(":message-type"), Some("exception"));
        assert_eq!(
            message.header(":exception-type"),
            Some("internalServerException")
        );
    }

    #[test]
    fn where_there_is_none_a_stream_breaks_off() {
        for (protocol, framing) in [
            (Protocol::Cohere, Framing::Sse),
            (Protocol::Gemini, Framing::Items),
            (Protocol::Gemini, Framing::Grpc),
            (Protocol::OpenAi, Framing::Text),
        ] {
            assert_eq!(event(protocol, framing), None);
        }
    }
}
