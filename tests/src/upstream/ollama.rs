//! Answers in the shape of Ollama's chat: lines of JSON.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

pub(super) fn chat(ask: &Ask) -> Answer {
    if ask.body["stream"] == false {
        return Answer::json(&ask.knobs, &line(ask, &ask.reply(), true));
    }
    let said = deltas(&ask.reply()).map(|text| line(ask, &text, false));
    let lines = said.chain([line(ask, "", true)]);
    let lines = lines.map(|line| format!("{line}\n")).collect();
    Answer::events(&ask.knobs, lines).of_type("application/x-ndjson")
}

fn line(ask: &Ask, text: &str, done: bool) -> Value {
    let message = json!({ "role": "assistant", "content": text });
    json!({ "model": ask.model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done })
}
