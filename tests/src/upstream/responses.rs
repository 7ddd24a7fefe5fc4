//! Answers in the shape of OpenAI Responses.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

pub(super) fn responses(ask: &Ask) -> Answer {
    if ask.stream {
        return Answer::events(&ask.knobs, stream(ask));
    }
    Answer::json(
        &ask.knobs,
        &response(ask, "completed", &[item(ask, "completed")]),
    )
}

fn response(ask: &Ask, status: &str, output: &[Value]) -> Value {
    json!({
        "id": "resp_stub",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": true,
        "tool_choice": "auto",
        "tools": [],
    })
}

/// The only output: a message, or a call of the tool.
fn item(ask: &Ask, status: &str) -> Value {
    let done = status == "completed";
    if ask.knobs.tool {
        let arguments = if done { ask.arguments() } else { String::new() };
        return json!({ "type": "function_call", "id": "fc_stub", "call_id": "call_stub", "name": "echo", "arguments": arguments, "status": status });
    }
    let content = if done {
        vec![part(&ask.reply())]
    } else {
        vec![]
    };
    json!({ "type": "message", "id": "msg_stub", "role": "assistant", "status": status, "content": content })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn stream(ask: &Ask) -> Vec<String> {
    let mut events = Events::default();
    let started = json!({ "response": response(ask, "in_progress", &[]) });
    events.push("response.created", started.clone());
    events.push("response.in_progress", started);
    let begun = json!({ "output_index": 0, "item": item(ask, "in_progress") });
    events.push("response.output_item.added", begun);
    if ask.knobs.tool {
        let place = json!({ "item_id": "fc_stub", "output_index": 0 });
        for piece in deltas(&ask.arguments()) {
            let delta = with(&place, json!({ "delta": piece }));
            events.push("response.function_call_arguments.delta", delta);
        }
        let done = with(
            &place,
            json!({ "name": "echo", "arguments": ask.arguments() }),
        );
        events.push("response.function_call_arguments.done", done);
    } else {
        let place = json!({ "item_id": "msg_stub", "output_index": 0, "content_index": 0 });
        let begun = with(&place, json!({ "part": part("") }));
        events.push("response.content_part.added", begun);
        for piece in deltas(&ask.reply()) {
            let delta = json!({ "delta": piece, "logprobs": [], "obfuscation": "EC2_001" });
            events.push("response.output_text.delta", with(&place, delta));
        }
        let done = with(&place, json!({ "text": ask.reply(), "logprobs": [] }));
        events.push("response.output_text.done", done);
        let done = with(&place, json!({ "part": part(&ask.reply()) }));
        events.push("response.content_part.done", done);
    }
    let item = item(ask, "completed");
    let done = json!({ "output_index": 0, "item": item });
    events.push("response.output_item.done", done);
    let done = json!({ "response": response(ask, "completed", &[item]) });
    events.push("response.completed", done);
    events.0
}

/// Both objects in one.
fn with(place: &Value, more: Value) -> Value {
    let mut all = place.clone();
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

/// Numbered as they come.
#[derive(Default)]
struct Events(Vec<String>);

impl Events {
    fn push(&mut self, name: &str, body: Value) {
        let head = json!({ "type": name, "sequence_number": self.0.len() });
        let event = with(&head, body);
        self.0.push(format!("event: {name}\ndata: {event}\n\n"));
    }
}
