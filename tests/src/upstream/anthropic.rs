//! Answers in the shape of Anthropic Messages.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

/// Opaque to everyone but its maker; it must arrive as it left.
const SIGNATURE: &str = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+stub/signature==";

pub(super) fn messages(ask: &Ask) -> Answer {
    if ask.stream {
        Answer::events(&ask.knobs, events(ask))
    } else {
        Answer::json(&ask.knobs, &whole(ask))
    }
}

pub(super) fn whole(ask: &Ask) -> Value {
    let mut content = Vec::new();
    if ask.knobs.thinking {
        content
            .push(json!({ "type": "thinking", "thinking": thought(ask), "signature": SIGNATURE }));
    }
    if ask.knobs.redacted {
        content.push(redacted(ask));
    }
    content.push(if ask.knobs.tool {
        json!({ "type": "tool_use", "id": "toolu_stub", "name": "echo", "input": { "text": ask.text } })
    } else {
        json!({ "type": "text", "text": ask.reply() })
    });
    let mut message = message(ask);
    message["content"] = content.into();
    message["stop_reason"] = stop_reason(ask).into();
    message
}

pub(super) fn events(ask: &Ask) -> Vec<String> {
    let mut events = vec![
        event(json!({ "type": "message_start", "message": message(ask) })),
        event(json!({ "type": "ping" })),
    ];
    let mut index = 0;
    if ask.knobs.thinking {
        let mut pieces: Vec<_> = deltas(&thought(ask))
            .map(|text| json!({ "type": "thinking_delta", "thinking": text }))
            .collect();
        pieces.push(json!({ "type": "signature_delta", "signature": SIGNATURE }));
        block(
            &mut events,
            index,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
            pieces,
        );
        index += 1;
    }
    if ask.knobs.redacted {
        block(&mut events, index, redacted(ask), []);
        index += 1;
    }
    if ask.knobs.tool {
        let start = json!({ "type": "tool_use", "id": "toolu_stub", "name": "echo", "input": {} });
        let pieces = deltas(&ask.arguments())
            .map(|text| json!({ "type": "input_json_delta", "partial_json": text }));
        block(&mut events, index, start, pieces);
    } else {
        let pieces = deltas(&ask.reply()).map(|text| json!({ "type": "text_delta", "text": text }));
        block(
            &mut events,
            index,
            json!({ "type": "text", "text": "" }),
            pieces,
        );
    }
    events.push(event(json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(ask), "stop_sequence": null },
        "usage": { "output_tokens": 7 },
    })));
    events.push(event(json!({ "type": "message_stop" })));
    events
}

fn block(
    events: &mut Vec<String>,
    index: u32,
    start: Value,
    deltas: impl IntoIterator<Item = Value>,
) {
    events.push(event(
        json!({ "type": "content_block_start", "index": index, "content_block": start }),
    ));
    for delta in deltas {
        events.push(event(
            json!({ "type": "content_block_delta", "index": index, "delta": delta }),
        ));
    }
    events.push(event(
        json!({ "type": "content_block_stop", "index": index }),
    ));
}

fn event(data: Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap_or_default()
    )
}

fn thought(ask: &Ask) -> String {
    format!("They said: {}", ask.text)
}

fn redacted(ask: &Ask) -> Value {
    json!({ "type": "redacted_thinking", "data": thought(ask) })
}

fn message(ask: &Ask) -> Value {
    json!({
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": { "input_tokens": 7, "output_tokens": 7 },
    })
}

fn stop_reason(ask: &Ask) -> &'static str {
    if ask.knobs.tool {
        "tool_use"
    } else {
        "end_turn"
    }
}
