//! Version 1, which SDKs still speak: a message beside a history, completions, classifications, summaries. Streams are lines.

use crate::{
    json::Value,
    protocol::{
        Endpoint,
        response::{self, Answer, Channel, Ends, PieceEvent, Step, Stream, index},
        schema::{GENERIC, Looks, Place, Schema, opaque},
    },
};

/// `POST /v1/chat`
pub static CHAT: Endpoint = Endpoint {
    name: "cohere_v1_chat",
    request: &HISTORY,
    answer: &STREAMED,
};

/// `POST /v1/generate`
pub static GENERATE: Endpoint = Endpoint {
    name: "cohere_v1_generate",
    request: &HISTORY,
    answer: &STREAMED,
};

/// `POST /v1/summarize`, `POST /v1/classify`
pub static TEXT: Endpoint = Endpoint {
    name: "cohere_v1_text",
    request: &HISTORY,
    answer: &super::WHOLE,
};

const HISTORY: Schema = Schema {
    first: &["preamble", "tools"],
    turns: "chat_history",
    structure: &["chat_history", "tool_calls", "tool_results", "call"],
    opaque: &[opaque("seed", Looks::Number, Place::Anywhere)],
    ..GENERIC
};

const STREAMED: Answer = Answer {
    stream: Some(&STREAM),
    free: &["parameters", "documents", "outputs"],
    json_text: &[],
    ..super::WHOLE
};

static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "stream-start",
        "text-generation",
        "tool-calls-chunk",
        "tool-calls-generation",
        "citation-generation",
        "stream-end",
    ],
};

/// Texts and tool calls are numbered apart from each other.
const CALLS: u64 = 1 << 32;

/// What is said before tools are called.
const PLAN: Channel = Channel::text(CALLS - 1, "text");

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let kind = event.get("event_type").and_then(Value::text);
    match kind.as_deref().unwrap_or_default() {
        "text-generation" => {
            step.piece(Channel::text(index(event), "text"), event.get("text"));
        }
        "tool-calls-chunk" => {
            step.piece(PLAN, event.get("text"));
            let call = event.get("tool_call_delta");
            if call.is_some() {
                // The plan has no end of its own.
                step.ends.insert(Ends::Text(PLAN));
            }
            let member = |key| call.and_then(|call| call.get(key));
            let parameters = Channel {
                nested: true,
                ..Channel::text(CALLS + call.map_or(0, index), "parameters")
            };
            step.piece(parameters, member("parameters"));
        }
        "tool-calls-generation" | "stream-end" => _ = step.ends.insert(Ends::All),
        _ => {}
    }
    step.sorted()
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let envelope = ["is_finished", "event_type", "index"];
    response::like(like, piece, &envelope, &["index"])
}
