//! The chunks of a streamed completion: per choice its texts, and per tool call its arguments.

use crate::{
    json::Value,
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, has, index, number},
};

/// Chat completions, and completions of a prompt.
pub(in crate::protocol) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: true,
    kinds: &[
        "content",
        "refusal",
        "reasoning_content",
        "reasoning",
        "text",
        "thinking",
        "tool_calls",
        "custom",
        "function_call",
        "obfuscation",
        "finish_reason",
        "error",
    ],
};

/// Strings of a delta that go on from chunk to chunk; the last two are other hosts' names for shown reasoning.
const TEXTS: [&str; 4] = ["content", "refusal", "reasoning_content", "reasoning"];

/// Objects of a tool call, the string that goes on in each, and whether that is JSON.
const TOOL_TEXTS: [(&str, &str, bool); 2] =
    [("function", "arguments", true), ("custom", "input", false)];

/// What a chunk says about the whole stream; a chunk of our own says it too.
const ENVELOPE: &[&str] = &[
    "id",
    "object",
    "created",
    "model",
    "service_tier",
    "system_fingerprint",
    "provider",
];

fn step<'d>(chunk: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    if has(chunk, "error") {
        step.ends.insert(Ends::All);
    }
    for choice in chunk.get("choices").into_iter().flat_map(Value::items) {
        let block = index(choice);
        step.piece(Channel::text(block, "text"), choice.get("text"));
        if let Some(delta) = choice.get("delta") {
            pieces(block, delta, &mut step);
        }
        if has(choice, "finish_reason") {
            step.ends.insert(Ends::Block(block));
        }
    }
    step.sorted()
}

fn pieces<'d>(block: u64, delta: Value<'d>, step: &mut Step<'d>) {
    for field in TEXTS {
        step.piece(Channel::text(block, field), delta.get(field));
    }
    // Mistral: what is thought and what is said, as parts.
    for part in delta.get("content").into_iter().flat_map(Value::items) {
        step.piece(Channel::text(block, "content"), part.get("text"));
        for thought in part.get("thinking").into_iter().flat_map(Value::items) {
            step.piece(Channel::text(block, "thinking"), thought.get("text"));
        }
    }
    for (position, call) in (0..).zip(delta.get("tool_calls").into_iter().flat_map(Value::items)) {
        for (object, field, nested) in TOOL_TEXTS {
            let channel = Channel {
                part: Some(number(call, "index").unwrap_or(position)),
                nested,
                ..Channel::text(block, field)
            };
            let text = call.get(object).and_then(|call| call.get(field));
            step.piece(channel, text);
        }
    }
    // The way to call a function before there were tools.
    let legacy = Channel {
        nested: true,
        ..Channel::text(block, "arguments")
    };
    let call = delta.get("function_call");
    step.piece(legacy, call.and_then(|call| call.get("arguments")));
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let inner = ["index", "finish_reason", "type"];
    response::like(like, piece, ENVELOPE, &inner)
}
