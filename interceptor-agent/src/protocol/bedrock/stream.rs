//! The events of a conversation, and the chunks in which other makers' events come.

use crate::{
    json::Value,
    protocol::{
        anthropic,
        response::{self, Channel, Ends, PieceEvent, Step, Stream, has, number},
    },
};

/// Events of `/converse-stream`. An event's kind is beside its JSON: the end of a block is known by what it doesn't say.
pub(super) static EVENTS: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "contentBlockIndex",
        "text",
        "toolUse",
        "reasoningContent",
        "stopReason",
        "usage",
    ],
};

/// Chunks of `/invoke-with-response-stream`: Anthropic's events, Amazon's own, and texts that come by themselves.
pub(super) static CHUNKS: Stream = Stream {
    step: chunk,
    piece: piece_of_chunk,
    gives_way: false,
    kinds: &["content_block_delta", "contentBlockDelta", "generation"],
};

/// Strings in which makers' models say the next piece of their only text.
const TEXTS: [&str; 4] = ["generation", "outputText", "completion", "text"];

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let block = number(event, "contentBlockIndex").unwrap_or(0);
    match event.get("delta") {
        Some(delta) => {
            step.piece(Channel::text(block, "text"), delta.get("text"));
            let input = delta.get("toolUse").and_then(|tool| tool.get("input"));
            step.piece(input_of(block), input);
        }
        None if has(event, "start") => {}
        None if has(event, "contentBlockIndex") => _ = step.ends.insert(Ends::Block(block)),
        None if has(event, "role") => {}
        None => _ = step.ends.insert(Ends::All),
    }
    step
}

fn input_of(block: u64) -> Channel {
    Channel {
        nested: true,
        ..Channel::text(block, "input")
    }
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    response::like(like, piece, &["contentBlockIndex"], &[])
}

fn chunk<'d>(chunk: Value<'d>) -> Step<'d> {
    if has(chunk, "type") {
        return (anthropic::stream::STREAM.step)(chunk);
    }
    for kind in NOVA {
        if let Some(event) = chunk.get(kind) {
            return step(event);
        }
    }
    let mut step = Step::default();
    for field in TEXTS {
        step.piece(Channel::text(0, field), chunk.get(field));
    }
    let ends = ["stop_reason", "completionReason", "finish_reason"];
    if ends.iter().any(|key| has(chunk, key)) {
        step.ends.insert(Ends::All);
    }
    step
}

/// Amazon's own models name the event within the chunk.
const NOVA: [&str; 3] = ["contentBlockDelta", "contentBlockStop", "messageStop"];

fn piece_of_chunk(channel: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    if has(like, "type") {
        return (anthropic::stream::STREAM.piece)(channel, like, piece);
    }
    response::like(like, piece, &[], &["contentBlockIndex"])
}
