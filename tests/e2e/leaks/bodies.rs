//! Requests that have a canary of every class at every place where text can stand.

use interceptor_tests::canary;
use serde_json::{Map, Value, json};

/// Numbers that only mask as numbers: a payment card, and an account behind a key that says so.
pub const NUMBERS: [&str; 2] = ["4539578763621486", "731094528816"];

/// An Anthropic Messages request.
pub fn messages() -> Value {
    let input = json!({ "values": texts(), "keys": keys(), "numbers": numbers(), "deep": [[{ "x": texts() }]] });
    let schema = json!({
        "type": "object",
        "description": joined(),
        "properties": { "p": { "type": "string", "enum": texts(), "default": joined() } },
    });
    json!({
        "model": "stub",
        "max_tokens": 9,
        "system": [{ "type": "text", "text": joined(), "cache_control": { "type": "ephemeral" } }],
        "metadata": { "user_id": joined() },
        "stop_sequences": texts(),
        "tools": [{ "name": "echo", "description": joined(), "input_schema": schema }],
        "field_of_tomorrow": { "values": texts(), "keys": keys(), "numbers": numbers() },
        "messages": [
            { "role": "user", "content": joined() },
            { "role": "assistant", "content": [
                { "type": "text", "text": joined() },
                { "type": "tool_use", "id": "toolu_1", "name": "echo", "input": input },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": blocks() },
                { "type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": joined() },
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": escaped() },
                { "type": "tool_result", "tool_use_id": "toolu_1", "content": behind_a_picture() },
                { "type": "document", "title": joined(), "context": joined(),
                  "source": { "type": "text", "media_type": "text/plain", "data": joined() } },
            ] },
            { "role": "user", "content": blocks() },
        ],
    })
}

/// An OpenAI Chat Completions request.
pub fn chat() -> Value {
    let arguments = json!({ "values": texts(), "keys": keys(), "numbers": numbers() }).to_string();
    let schema = json!({
        "type": "object",
        "description": joined(),
        "properties": { "p": { "type": "string", "enum": texts() } },
    });
    json!({
        "model": "stub",
        "user": joined(),
        "metadata": { "note": joined() },
        "tools": [{ "type": "function", "function": { "name": "echo", "description": joined(), "parameters": schema } }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "description": joined(), "schema": schema } },
        "prediction": { "type": "content", "content": joined() },
        "stop": texts(),
        "field_of_tomorrow": { "values": texts(), "keys": keys(), "numbers": numbers() },
        "messages": [
            { "role": "system", "content": joined() },
            { "role": "developer", "content": blocks(), "name": joined() },
            { "role": "assistant", "content": null, "refusal": joined(),
              "function_call": { "name": "echo", "arguments": arguments },
              "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "echo", "arguments": arguments } }] },
            { "role": "tool", "tool_call_id": "call_1", "content": joined() },
            { "role": "assistant", "content": escaped(),
              "tool_calls": [{ "id": "call_2", "type": "function", "function": { "name": "echo", "arguments": escaped() } }] },
            { "role": "tool", "tool_call_id": "call_2", "content": blocks() },
            { "role": "user", "content": behind_a_picture() },
            { "role": "user", "content": blocks() },
        ],
    })
}

/// Each text by itself.
pub fn texts() -> Vec<&'static str> {
    let texts = canary::all().iter().map(|canary| canary.text.as_str());
    texts.collect()
}

/// All texts in one.
fn joined() -> String {
    texts().join("\n\n")
}

/// Texts in what begins as a picture's URL, as far as base64 has their letters.
fn behind_a_picture() -> String {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    let mut lines = texts();
    lines.retain(|text| text.bytes().all(digit));
    lines.insert(
        0,
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    );
    lines.join("\n\n")
}

/// JSON as a text, in which every character of every string is an escape.
fn escaped() -> String {
    let escaped = |text: &str| -> String {
        let escapes = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        escapes.collect()
    };
    let values: Vec<_> = texts()
        .into_iter()
        .map(|text| format!("\"{}\"", escaped(text)))
        .collect();
    format!(r#"{{"values":[{}]}}"#, values.join(","))
}

/// Each text a block, so that none lends another its context.
fn blocks() -> Value {
    let block = |text| json!({ "type": "text", "text": text });
    texts().into_iter().map(block).collect()
}

fn keys() -> Value {
    let keys = texts().into_iter().map(|text| (text.to_owned(), json!(1)));
    keys.collect::<Map<_, _>>().into()
}

fn numbers() -> Value {
    json!({ "card": 4_539_578_763_621_486_u64, "aws_account_id": 731_094_528_816_u64 })
}
