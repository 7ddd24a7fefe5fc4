//! The chunks of a streamed generation: per candidate what it says and thinks, and the arguments of a call.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::{
    json::{Kind, Value},
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, has, index},
};

/// Chunks of `:streamGenerateContent`, as events or as items of an array.
pub(super) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "text",
        "thought",
        "functionCall",
        "partialArgs",
        "willContinue",
        "executableCode",
        "codeExecutionResult",
        "inlineData",
        "thoughtSignature",
        "groundingMetadata",
        "promptFeedback",
        "finishReason",
        "error",
    ],
};

fn step<'d>(chunk: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    if has(chunk, "error") {
        step.ends.insert(Ends::All);
    }
    for candidate in chunk.get("candidates").into_iter().flat_map(Value::items) {
        let block = index(candidate);
        let parts = candidate
            .get("content")
            .and_then(|content| content.get("parts"));
        let mut last = None;
        for part in parts.into_iter().flat_map(Value::items) {
            last = said(part);
            match (last, call(part)) {
                (Some(field), _) => step.piece(Channel::text(block, field), part.get("text")),
                (None, Some(call)) => arguments(block, call, &mut step),
                (None, None) => {}
            }
        }
        // Whatever came behind a text has ended it.
        let ended = SAID
            .iter()
            .filter(|field| parts.is_some() && last != Some(**field));
        step.ends
            .extend(ended.map(|field| Ends::Text(Channel::text(block, field))));
        if has(candidate, "finishReason") {
            step.ends.insert(Ends::Block(block));
        }
    }
    step.sorted()
}

fn call(part: Value<'_>) -> Option<Value<'_>> {
    part.get("functionCall")
        .or_else(|| part.get("function_call"))
}

/// Texts that go on from part to part.
const SAID: [&str; 2] = ["text", "thought"];

/// Which of the texts a part is a piece of, if any.
fn said(part: Value<'_>) -> Option<&'static str> {
    let thought = part.get("thought").map(Value::kind) == Some(Kind::True);
    has(part, "text").then_some(SAID[usize::from(thought)])
}

/// Arguments come whole, or a string of them in pieces; the last one, and the end of the call, say that it doesn't go on.
fn arguments<'d>(block: u64, call: Value<'d>, step: &mut Step<'d>) {
    if !goes_on(call) {
        step.ends.insert(Ends::Block(block));
    }
    let partial = call.get("partialArgs").or_else(|| call.get("partial_args"));
    for argument in partial.into_iter().flat_map(Value::items) {
        let path = argument
            .get("jsonPath")
            .or_else(|| argument.get("json_path"));
        let channel = Channel {
            part: path.and_then(Value::text).map(|path| hash(&path)),
            ..Channel::text(block, "stringValue")
        };
        let text = argument
            .get("stringValue")
            .or_else(|| argument.get("string_value"));
        step.piece(channel, text);
        if !goes_on(argument) {
            step.ends.insert(Ends::Text(channel));
        }
    }
}

fn goes_on(argument: Value<'_>) -> bool {
    let flag = |key| argument.get(key).map(Value::kind) == Some(Kind::True);
    flag("willContinue") || flag("will_continue")
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let envelope = ["modelVersion", "responseId"];
    let inner = [
        "index",
        "role",
        "thought",
        "id",
        "jsonPath",
        "json_path",
        "willContinue",
        "will_continue",
    ];
    response::like(like, piece, &envelope, &inner)
}
