//! The events of a streamed message: one text a content block.

use crate::{
    json::Value,
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, index},
};

/// Messages, and completions of the API before them.
pub(in crate::protocol) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "text_delta",
        "input_json_delta",
        "compaction_delta",
        "completion",
        "citations_delta",
        "thinking_delta",
        "signature_delta",
        "content_block_start",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ],
};

/// Kind of delta, the string that carries the piece, and whether that is JSON.
const DELTAS: [(&str, &str, bool); 3] = [
    ("text_delta", "text", false),
    ("input_json_delta", "partial_json", true),
    ("compaction_delta", "content", false),
];

/// The text of an event by itself.
const COMPLETION: Channel = Channel::text(0, "completion");

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let kind = event.get("type").and_then(Value::text).unwrap_or_default();
    match &*kind {
        "content_block_delta" => delta(event, &mut step),
        "content_block_start" => {
            let block = event.get("content_block");
            let block = block.filter(|block| is(*block, "text"));
            step.piece(channel(event, 0), block.and_then(|block| block.get("text")));
        }
        "content_block_stop" => _ = step.ends.insert(Ends::Block(index(event))),
        "completion" => {
            step.piece(COMPLETION, event.get("completion"));
            if response::has(event, "stop_reason") {
                step.ends.insert(Ends::All);
            }
        }
        "message_delta" | "message_stop" | "error" => _ = step.ends.insert(Ends::All),
        _ => {}
    }
    step
}

fn delta<'d>(event: Value<'d>, step: &mut Step<'d>) {
    let Some(delta) = event.get("delta") else {
        return;
    };
    if let Some(row) = DELTAS.iter().position(|row| is(delta, row.0)) {
        step.piece(channel(event, row), delta.get(DELTAS[row].1));
    }
}

fn is(object: Value<'_>, kind: &str) -> bool {
    object.get("type").is_some_and(|value| value.is_str(kind))
}

fn channel(event: Value<'_>, row: usize) -> Channel {
    let (_, field, nested) = DELTAS[row];
    Channel {
        nested,
        ..Channel::text(index(event), field)
    }
}

/// A `content_block_delta`: the piece may have stood in the block's start.
fn piece(channel: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    if channel == COMPLETION {
        return response::like(like, piece, &["type", "id", "stop_reason", "model"], &[]);
    }
    let Channel { block, field, .. } = channel;
    let kind = DELTAS
        .iter()
        .find(|row| row.1 == field)
        .map_or("text_delta", |row| row.0);
    PieceEvent {
        name: Some("content_block_delta"),
        data: [
            format!(
                r#"{{"type":"content_block_delta","index":{block},"delta":{{"type":"{kind}","{field}":""#
            ),
            r#""}}"#.to_owned(),
        ],
    }
}
