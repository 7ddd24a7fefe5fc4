//! The events of a streamed chat: one text a content block, the plan, and one a tool call.

use crate::{
    json::Value,
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, index},
};

/// Chats of version 2.
pub(super) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "citation-end",
        "message-end",
        "thinking",
    ],
};

/// The plan is no block of its own and has no number.
const PLAN: Channel = Channel::text(0, "tool_plan");

/// Content and tool calls are numbered apart from each other.
const CALLS: u64 = 1 << 32;

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let kind = event.get("type").and_then(Value::text).unwrap_or_default();
    let message = event.get("delta").and_then(|delta| delta.get("message"));
    let member = |key| message.and_then(|message| message.get(key));
    match &*kind {
        "content-start" | "content-delta" => {
            for field in ["text", "thinking"] {
                let text = member("content").and_then(|content| content.get(field));
                step.piece(Channel::text(index(event), field), text);
            }
        }
        "tool-plan-delta" => step.piece(PLAN, member("tool_plan")),
        "tool-call-start" | "tool-call-delta" => {
            // The plan has no end of its own.
            step.ends.insert(Ends::Text(PLAN));
            let function = member("tool_calls").and_then(|call| call.get("function"));
            let channel = Channel {
                nested: true,
                ..Channel::text(CALLS + index(event), "arguments")
            };
            step.piece(
                channel,
                function.and_then(|function| function.get("arguments")),
            );
        }
        "content-end" => _ = step.ends.insert(Ends::Block(index(event))),
        "tool-call-end" => _ = step.ends.insert(Ends::Block(CALLS + index(event))),
        "message-end" => _ = step.ends.insert(Ends::All),
        _ => {}
    }
    step.sorted()
}

/// A delta, though the piece may have stood in a start.
fn piece(channel: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let Channel { block, field, .. } = channel;
    let (name, head, tail) = match field {
        "arguments" => (
            "tool-call-delta",
            format!(
                r#"{{"type":"tool-call-delta","index":{},"delta":{{"message":{{"tool_calls":{{"function":{{"arguments":""#,
                block - CALLS
            ),
            r#""}}}}}"#,
        ),
        "tool_plan" => return response::like(like, piece, &["type"], &[]),
        _ => (
            "content-delta",
            format!(
                r#"{{"type":"content-delta","index":{block},"delta":{{"message":{{"content":{{"{field}":""#
            ),
            r#""}}}}"#,
        ),
    };
    PieceEvent {
        name: Some(name),
        data: [head, tail.to_owned()],
    }
}
