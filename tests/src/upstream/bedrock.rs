//! Answers in the shape of Amazon Bedrock's runtime: conversations, and Anthropic's messages in chunks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};
use super::anthropic;

/// What is asked of a model, by the end of its path.
pub(super) fn answer(ask: &Ask, path: &str) -> Option<Answer> {
    let (_, verb) = path.strip_prefix("/model/")?.split_once('/')?;
    Some(match verb {
        "converse" => Answer::json(&ask.knobs, &whole(ask)),
        "converse-stream" => Answer::messages(&ask.knobs, stream(ask)),
        "invoke" => Answer::json(&ask.knobs, &anthropic::whole(ask)),
        "invoke-with-response-stream" => Answer::messages(&ask.knobs, chunks(ask)),
        _ => return None,
    })
}

fn whole(ask: &Ask) -> Value {
    let content = if ask.text.starts_with("tool") {
        json!({ "toolUse": { "toolUseId": "tool_stub", "name": "echo", "input": { "text": ask.text } } })
    } else {
        json!({ "text": ask.reply() })
    };
    json!({
        "output": { "message": { "role": "assistant", "content": [content] } },
        "stopReason": "end_turn",
        "usage": { "inputTokens": 7, "outputTokens": 7, "totalTokens": 14 },
        "metrics": { "latencyMs": 7 },
    })
}

fn stream(ask: &Ask) -> Vec<Bytes> {
    let mut events = vec![message("messageStart", &json!({ "role": "assistant" }))];
    let mut delta = |delta: Value| {
        events.push(message(
            "contentBlockDelta",
            &json!({ "contentBlockIndex": 0, "delta": delta, "p": "abcdef" }),
        ));
    };
    if ask.text.starts_with("tool") {
        deltas(&ask.arguments()).for_each(|text| delta(json!({ "toolUse": { "input": text } })));
    } else {
        deltas(&ask.reply()).for_each(|text| delta(json!({ "text": text })));
    }
    events.push(message(
        "contentBlockStop",
        &json!({ "contentBlockIndex": 0 }),
    ));
    events.push(message("messageStop", &json!({ "stopReason": "end_turn" })));
    events
}

fn chunks(ask: &Ask) -> Vec<Bytes> {
    let events = anthropic::events(ask).into_iter();
    let data = events.filter_map(|event| Some(event.split_once("data: ")?.1.trim().to_owned()));
    let chunk = |data: String| json!({ "bytes": STANDARD.encode(data), "p": "ab" });
    data.map(|data| message("chunk", &chunk(data))).collect()
}

/// A message of AWS's event streams.
fn message(kind: &str, payload: &Value) -> Bytes {
    let payload = payload.to_string();
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ] {
        headers.push(name.len() as u8);
        headers.extend(name.bytes());
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.bytes());
    }
    let mut raw = Vec::new();
    raw.extend(((16 + headers.len() + payload.len()) as u32).to_be_bytes());
    raw.extend((headers.len() as u32).to_be_bytes());
    raw.extend(crc(&raw).to_be_bytes());
    raw.extend(headers);
    raw.extend(payload.bytes());
    raw.extend(crc(&raw).to_be_bytes());
    raw.into()
}

/// CRC-32, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !bytes.iter().fold(!0, byte)
}
