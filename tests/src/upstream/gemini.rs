//! Answers in the shape of Gemini: one chunk, or many as events or as an array.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

pub(super) fn whole(ask: &Ask) -> Answer {
    let part = match ask.knobs.tool {
        true => call(ask),
        false => json!({ "text": ask.reply() }),
    };
    Answer::json(&ask.knobs, &chunk(part, true))
}

pub(super) fn stream(ask: &Ask, as_events: bool) -> Answer {
    let mut chunks: Vec<Value> = match ask.knobs.tool {
        true => vec![chunk(call(ask), false)],
        false => deltas(&ask.reply())
            .map(|text| chunk(json!({ "text": text }), false))
            .collect(),
    };
    chunks.push(chunk(json!({ "text": "" }), true));
    if as_events {
        let events = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n"));
        return Answer::events(&ask.knobs, events.collect());
    }
    let between = |at| if at == 0 { "[" } else { ",\r\n" };
    let mut pieces: Vec<_> = chunks
        .iter()
        .enumerate()
        .map(|(at, chunk)| format!("{}{chunk:#}", between(at)))
        .collect();
    pieces.push("\n]\n".to_owned());
    Answer::events(&ask.knobs, pieces).of_type("application/json; charset=UTF-8")
}

fn call(ask: &Ask) -> Value {
    let call = json!({ "id": "call_stub", "name": "echo", "args": { "text": ask.text } });
    json!({ "functionCall": call, "thoughtSignature": "c2lnbmVk" })
}

fn chunk(part: Value, last: bool) -> Value {
    let mut candidate = json!({ "index": 0, "content": { "role": "model", "parts": [part] } });
    if last {
        candidate["finishReason"] = "STOP".into();
    }
    let usage = json!({ "promptTokenCount": 7, "candidatesTokenCount": 7, "totalTokenCount": 14 });
    json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": "stub", "responseId": "stub" })
}
