//! The lines of a streamed answer: what is said and what is thought. Tool calls come whole.

use crate::{
    json::{Kind, Value},
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, has},
};

/// Chats and completions.
pub(super) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: true,
    kinds: &[
        "content",
        "thinking",
        "response",
        "tool_calls",
        "done",
        "error",
    ],
};

fn step<'d>(line: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let message = line.get("message");
    for field in ["content", "thinking"] {
        let text = message.and_then(|message| message.get(field));
        step.piece(Channel::text(0, field), text);
    }
    for field in ["response", "thinking"] {
        step.piece(Channel::text(0, field), line.get(field));
    }
    let done = line.get("done").map(Value::kind) == Some(Kind::True);
    let calls = message.is_some_and(|message| has(message, "tool_calls"));
    if done || calls || has(line, "error") {
        step.ends.insert(Ends::All);
    }
    step.sorted()
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let mut envelope = vec!["model", "created_at", "done"];
    // Clients want it in each line of a completion, also where something else is said.
    if like
        .get("response")
        .is_some_and(|text| text.inner().is_empty())
    {
        envelope.push("response");
    }
    response::like(like, piece, &envelope, &["role"])
}
