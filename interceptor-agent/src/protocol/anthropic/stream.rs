//! The events of a streamed message: one text a content block.

use crate::{
    json::Value,
    protocol::response::{Channel, Ends, PieceEvent, Step, index},
};

/// Kind of delta, the string that carries the piece, and whether that is JSON.
const DELTAS: [(&str, &str, bool); 2] = [
    ("text_delta", "text", false),
    ("input_json_delta", "partial_json", true),
];

/// Reads one event.
pub fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let is = |kind: &str| event.get("type").is_some_and(|value| value.is_str(kind));
    if is("content_block_delta") {
        step.pieces.extend(piece(event, event.get("delta")));
    } else if is("content_block_start") {
        let text = event
            .get("content_block")
            .filter(|block| block.get("type").is_some_and(|kind| kind.is_str("text")))
            .and_then(|block| block.get("text"));
        step.pieces
            .extend(text.map(|text| (channel(event, 0), text)));
    } else if is("content_block_stop") {
        step.ends.insert(Ends::Block(index(event)));
    } else if is("message_delta") || is("message_stop") || is("error") {
        step.ends.insert(Ends::All);
    }
    step
}

fn piece<'d>(event: Value<'d>, delta: Option<Value<'d>>) -> Option<(Channel, Value<'d>)> {
    let delta = delta?;
    let kind = delta.get("type")?;
    let row = DELTAS.iter().position(|(name, ..)| kind.is_str(name))?;
    Some((channel(event, row), delta.get(DELTAS[row].1)?))
}

fn channel(event: Value<'_>, row: usize) -> Channel {
    let (_, field, nested) = DELTAS[row];
    Channel {
        block: index(event),
        tool: None,
        field,
        nested,
    }
}

/// A `content_block_delta` for one more piece of `channel`.
pub fn piece_event(channel: Channel) -> PieceEvent {
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
