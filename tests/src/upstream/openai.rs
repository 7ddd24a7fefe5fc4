//! Answers in the shape of OpenAI Chat Completions.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

pub(super) fn chat(ask: &Ask) -> Answer {
    if ask.stream {
        stream(ask)
    } else {
        Answer::json(&ask.knobs, &whole(ask))
    }
}

fn whole(ask: &Ask) -> Value {
    let message = if ask.knobs.tool {
        let function = json!({ "name": "echo", "arguments": ask.arguments() });
        let call = json!({ "id": "call_stub", "type": "function", "function": function });
        json!({ "role": "assistant", "content": null, "tool_calls": [call] })
    } else {
        json!({ "role": "assistant", "content": ask.reply() })
    };
    let choices: Vec<_> = (0..choices(ask))
        .map(|index| json!({ "index": index, "message": message, "finish_reason": finish_reason(ask) }))
        .collect();
    json!({
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": ask.model,
        "choices": choices,
        "usage": usage(),
    })
}

/// Choices, where several are asked for, take turns.
fn stream(ask: &Ask) -> Answer {
    let mut parts = vec![json!({ "role": "assistant", "content": "" })];
    if ask.knobs.tool {
        let start = json!({ "name": "echo", "arguments": "" });
        parts.push(json!({ "tool_calls": [{ "index": 0, "id": "call_stub", "type": "function", "function": start }] }));
        parts.extend(deltas(&ask.arguments()).map(
            |text| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] }),
        ));
    } else {
        parts.extend(deltas(&ask.reply()).map(|text| json!({ "content": text })));
    }
    let mut events = Vec::new();
    for part in parts {
        for index in 0..choices(ask) {
            events.push(chunk(
                ask,
                &json!([{ "index": index, "delta": part, "finish_reason": null }]),
            ));
        }
    }
    for index in 0..choices(ask) {
        events.push(chunk(
            ask,
            &json!([{ "index": index, "delta": {}, "finish_reason": finish_reason(ask) }]),
        ));
    }
    if ask.body["stream_options"]["include_usage"] == true {
        events.push(chunk(ask, &json!([])));
    }
    events.push("data: [DONE]\n\n".to_owned());
    Answer::events(&ask.knobs, events)
}

fn chunk(ask: &Ask, choices: &Value) -> String {
    let mut chunk = json!({
        "id": "chatcmpl-stub",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": ask.model,
        "choices": choices,
    });
    if choices.as_array().is_some_and(Vec::is_empty) {
        chunk["usage"] = usage();
    }
    format!("data: {chunk}\n\n")
}

fn choices(ask: &Ask) -> u64 {
    ask.body["n"].as_u64().unwrap_or(1).min(16)
}

fn finish_reason(ask: &Ask) -> &'static str {
    if ask.knobs.tool { "tool_calls" } else { "stop" }
}

fn usage() -> Value {
    json!({ "prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14 })
}
