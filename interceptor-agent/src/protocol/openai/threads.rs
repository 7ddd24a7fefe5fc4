//! The events of a streamed run of an assistant: texts of messages, and what its steps call tools with.

use crate::{
    json::Value,
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, index, number},
};

/// Runs.
pub(super) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.step.delta",
        "thread.run.step.completed",
        "thread.run.requires_action",
        "thread.run.completed",
        "arguments",
        "logs",
        "error",
    ],
};

/// Objects of a step's tool call, the string that goes on in each, and whether that is JSON.
const CALL_TEXTS: [(&str, &str, bool); 2] = [
    ("function", "arguments", true),
    ("code_interpreter", "input", false),
];

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let object = event
        .get("object")
        .and_then(Value::text)
        .unwrap_or_default();
    let delta = event.get("delta");
    match (&*object, delta) {
        ("thread.message.delta", Some(delta)) => message(delta, &mut step),
        ("thread.run.step.delta", Some(delta)) => run_step(delta, &mut step),
        // Whole messages, steps and runs stand at the end of their texts.
        _ => _ = step.ends.insert(Ends::All),
    }
    step.sorted()
}

fn message<'d>(delta: Value<'d>, step: &mut Step<'d>) {
    for part in delta.get("content").into_iter().flat_map(Value::items) {
        let channel = |field| Channel {
            part: Some(index(part)),
            ..Channel::text(0, field)
        };
        let text = part.get("text").and_then(|text| text.get("value"));
        step.piece(channel("value"), text);
        step.piece(channel("refusal"), part.get("refusal"));
    }
}

fn run_step<'d>(delta: Value<'d>, step: &mut Step<'d>) {
    let calls = delta
        .get("step_details")
        .and_then(|details| details.get("tool_calls"));
    for (position, call) in (0..).zip(calls.into_iter().flat_map(Value::items)) {
        for (object, field, nested) in CALL_TEXTS {
            let channel = Channel {
                block: 1,
                part: Some(number(call, "index").unwrap_or(position)),
                field,
                nested,
            };
            step.piece(channel, call.get(object).and_then(|call| call.get(field)));
        }
    }
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    response::like(like, piece, &["id", "object"], &["index", "type"])
}
