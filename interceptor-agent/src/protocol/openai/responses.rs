//! The events of a streamed response: one text a content part, and its whole again when it is done.

use crate::{
    json::Value,
    protocol::response::{self, Channel, Ends, PieceEvent, Step, Stream, number},
};

/// Responses; transcriptions, whose events look the same.
pub(in crate::protocol) static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: KINDS,
};

/// Events that carry a piece in `delta`, without `.delta`, and whether the text is JSON. `.done` ends the text.
///
/// The output of a shell carries two, each under its own name.
const TEXTS: &[(&str, bool)] = &[
    ("response.output_text", false),
    ("response.refusal", false),
    ("response.function_call_arguments", true),
    ("response.custom_tool_call_input", false),
    ("response.mcp_call_arguments", true),
    ("response.code_interpreter_call_code", false),
    ("response.shell_call_command", false),
    ("response.apply_patch_call_operation_diff", false),
    ("response.reasoning_text", false),
    ("response.reasoning_summary_text", false),
    ("response.audio.transcript", false),
    ("response.audio_transcript", false),
    ("transcript.text", false),
];

const OUTPUT: &str = "response.shell_call_output_content";
const OUTPUT_TEXTS: [&str; 2] = ["stdout", "stderr"];

/// Events that end all texts of an output item, and of the response.
const ITEM_DONE: &str = "response.output_item.done";
const DONE: &[&str] = &[
    "response.completed",
    "response.failed",
    "response.incomplete",
    "response.cancelled",
    "error",
];

/// Members that say which of an output item's texts a piece belongs to.
const PARTS: &[&str] = &["content_index", "summary_index", "command_index"];

/// Every kind of event; those that are not above pass with their whole strings unmasked.
const KINDS: &[&str] = &[
    "response.created",
    "response.in_progress",
    "response.queued",
    "response.completed",
    "response.failed",
    "response.incomplete",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.refusal.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_list_tools.completed",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.code_interpreter_call.completed",
    "response.shell_call_command.delta",
    "response.shell_call_command.done",
    "response.shell_call_output_content.delta",
    "response.shell_call_output_content.done",
    "response.apply_patch_call_operation_diff.delta",
    "response.apply_patch_call_operation_diff.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.audio.delta",
    "response.audio.transcript.delta",
    "response.audio.transcript.done",
    "response.image_generation_call.partial_image",
    "response.web_search_call.completed",
    "response.file_search_call.completed",
    "transcript.text.delta",
    "transcript.text.done",
    "error",
];

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let kind = event.get("type").and_then(Value::text).unwrap_or_default();
    let (text, end) = kind.rsplit_once('.').unwrap_or_default();
    let mut texts: Vec<_> = channel(event, text).into_iter().collect();
    if text == OUTPUT {
        texts.extend(OUTPUT_TEXTS.map(|field| on(event, field, false)));
    }
    if end == "delta" {
        for channel in texts {
            let delta = event.get("delta");
            let text = delta.map(|delta| delta.get(channel.field).unwrap_or(delta));
            step.piece(channel, text);
        }
    } else if kind == ITEM_DONE {
        step.ends.insert(Ends::Block(block(event)));
    } else if DONE.contains(&&*kind) {
        step.ends.insert(Ends::All);
    } else if end == "done" {
        step.ends.extend(texts.into_iter().map(Ends::Text));
    }
    step.sorted()
}

fn channel(event: Value<'_>, text: &str) -> Option<Channel> {
    let (field, nested) = *TEXTS.iter().find(|row| row.0 == text)?;
    Some(on(event, field, nested))
}

fn on(event: Value<'_>, field: &'static str, nested: bool) -> Channel {
    Channel {
        part: PARTS.iter().find_map(|part| number(event, part)),
        nested,
        ..Channel::text(block(event), field)
    }
}

fn block(event: Value<'_>) -> u64 {
    number(event, "output_index").unwrap_or(0)
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let envelope = [
        "type",
        "item_id",
        "response_id",
        "event_id",
        "stream_id",
        "output_index",
        "content_index",
        "summary_index",
        "command_index",
        "sequence_number",
    ];
    response::like(like, piece, &envelope, &[])
}
