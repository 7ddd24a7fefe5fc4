//! Answers in the shape of Cohere's chat.

use serde_json::{Value, json};

use super::answer::{Answer, Ask, deltas};

pub(super) fn chat(ask: &Ask) -> Answer {
    if ask.stream {
        return Answer::events(&ask.knobs, stream(ask));
    }
    let message = match ask.knobs.tool {
        true => {
            json!({ "role": "assistant", "tool_plan": ask.reply(), "tool_calls": [call(&ask.arguments())] })
        }
        false => {
            json!({ "role": "assistant", "content": [{ "type": "text", "text": ask.reply() }] })
        }
    };
    let body = json!({ "id": "stub", "message": message, "finish_reason": finish_reason(ask), "usage": {} });
    Answer::json(&ask.knobs, &body)
}

fn stream(ask: &Ask) -> Vec<String> {
    let message = json!({ "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] });
    let mut events = vec![event(
        "message-start",
        json!({ "id": "stub", "delta": { "message": message } }),
    )];
    let mut push = |name, index: Option<u64>, message: Value| {
        let mut body = json!({ "delta": { "message": message } });
        if let Some(index) = index {
            body["index"] = index.into();
        }
        events.push(event(name, body));
    };
    if ask.knobs.tool {
        for piece in deltas(&ask.reply()) {
            push("tool-plan-delta", None, json!({ "tool_plan": piece }));
        }
        push(
            "tool-call-start",
            Some(0),
            json!({ "tool_calls": call("") }),
        );
        for piece in deltas(&ask.arguments()) {
            let call = json!({ "tool_calls": { "function": { "arguments": piece } } });
            push("tool-call-delta", Some(0), call);
        }
        events.push(event("tool-call-end", json!({ "index": 0 })));
    } else {
        let content = json!({ "content": { "type": "text", "text": "" } });
        push("content-start", Some(0), content);
        for piece in deltas(&ask.reply()) {
            push(
                "content-delta",
                Some(0),
                json!({ "content": { "text": piece } }),
            );
        }
        events.push(event("content-end", json!({ "index": 0 })));
    }
    let end = json!({ "delta": { "finish_reason": finish_reason(ask), "usage": {} } });
    events.push(event("message-end", end));
    events
}

fn call(arguments: &str) -> Value {
    let function = json!({ "name": "echo", "arguments": arguments });
    json!({ "id": "call_stub", "type": "function", "function": function })
}

fn finish_reason(ask: &Ask) -> &'static str {
    if ask.knobs.tool {
        "TOOL_CALL"
    } else {
        "COMPLETE"
    }
}

fn event(name: &str, mut body: Value) -> String {
    body["type"] = name.into();
    format!("event: {name}\ndata: {body}\n\n")
}
