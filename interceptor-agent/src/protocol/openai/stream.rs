//! The chunks of a streamed chat completion: per choice its texts, and per tool call its arguments.

use crate::{
    json::{Kind, Value},
    protocol::response::{Channel, Ends, PieceEvent, Step, index, index_or},
};

/// Strings of a delta that go on from chunk to chunk; the last two are other hosts' names for shown reasoning.
const TEXTS: [&str; 4] = ["content", "refusal", "reasoning_content", "reasoning"];

/// Objects of a tool call, the string that goes on in each, and whether that is JSON.
const TOOL_TEXTS: [(&str, &str, bool); 2] =
    [("function", "arguments", true), ("custom", "input", false)];

/// What a chunk says about the whole stream; a chunk of our own says it too.
const ENVELOPE: [&str; 7] = [
    "id",
    "object",
    "created",
    "model",
    "service_tier",
    "system_fingerprint",
    "provider",
];

/// Reads one chunk.
pub fn step<'d>(chunk: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    if chunk
        .get("error")
        .is_some_and(|error| error.kind() != Kind::Null)
    {
        step.ends.insert(Ends::All);
    }
    for choice in chunk.get("choices").into_iter().flat_map(Value::items) {
        let block = index(choice);
        if let Some(delta) = choice.get("delta") {
            pieces(block, delta, &mut step.pieces);
        }
        if choice
            .get("finish_reason")
            .is_some_and(|reason| reason.kind() != Kind::Null)
        {
            step.ends.insert(Ends::Block(block));
        }
    }
    step.pieces.sort_by_key(|(_, text)| text.range().start);
    step
}

fn pieces<'d>(block: u64, delta: Value<'d>, pieces: &mut Vec<(Channel, Value<'d>)>) {
    let mut add = |tool, field, nested, text: Option<Value<'d>>| {
        let channel = Channel {
            block,
            tool,
            field,
            nested,
        };
        let text = text.filter(|text| text.kind() == Kind::String);
        pieces.extend(text.map(|text| (channel, text)));
    };
    for field in TEXTS {
        add(None, field, false, delta.get(field));
    }
    let tool_texts = |object: Value<'d>| {
        TOOL_TEXTS.map(|(name, field, nested)| {
            let text = object.get(name).and_then(|call| call.get(field));
            (field, nested, text)
        })
    };
    for (position, call) in (0..).zip(delta.get("tool_calls").into_iter().flat_map(Value::items)) {
        for (field, nested, text) in tool_texts(call) {
            add(Some(index_or(call, position)), field, nested, text);
        }
    }
    // The way to call a function before there were tools.
    let legacy = delta
        .get("function_call")
        .and_then(|call| call.get("arguments"));
    add(None, "arguments", true, legacy);
}

/// A chunk for one more piece of `channel`, with the envelope of the chunk `like`.
pub fn piece_event(channel: Channel, like: Value<'_>) -> PieceEvent {
    let Channel {
        block, tool, field, ..
    } = channel;
    let mut head = String::from("{");
    for (name, value) in like.entries() {
        let quote = match value.kind() {
            Kind::Object | Kind::Array => continue,
            Kind::String => "\"",
            _ => "",
        };
        if ENVELOPE.into_iter().any(|kept| name.is_str(kept)) {
            let (name, value) = (name.inner_raw(), value.inner_raw());
            head.push_str(&format!(r#""{name}":{quote}{value}{quote},"#));
        }
    }
    head.push_str(&format!(r#""choices":[{{"index":{block},"delta":{{"#));
    let close = match tool {
        Some(call) => {
            let object = TOOL_TEXTS
                .iter()
                .find(|row| row.1 == field)
                .map_or("function", |row| row.0);
            head.push_str(&format!(r#""tool_calls":[{{"index":{call},"{object}":{{"#));
            "}}]"
        }
        None if channel.nested => {
            head.push_str(r#""function_call":{"#);
            "}"
        }
        None => "",
    };
    head.push_str(&format!(r#""{field}":""#));
    PieceEvent {
        name: None,
        data: [head, format!(r#""{close}}},"finish_reason":null}}]}}"#)],
    }
}
