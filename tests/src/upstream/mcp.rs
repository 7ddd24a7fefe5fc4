//! Answers of a tool over MCP's streamable HTTP: progress, then the result.

use serde_json::json;

use super::answer::{Answer, Ask};

pub(super) fn call(ask: &Ask) -> Answer {
    let given = &ask.body["params"]["arguments"];
    let said = format!("You said: {}", given["text"].as_str().unwrap_or_default());
    let result =
        json!({ "content": [{ "type": "text", "text": said }], "structuredContent": given });
    let progress = json!({ "progressToken": 1, "progress": 1, "message": said });
    let messages = [
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": progress }),
        json!({ "jsonrpc": "2.0", "id": ask.body["id"], "result": result }),
    ];
    let event = |message| format!("event: message\ndata: {message}\n\n");
    Answer::events(&ask.knobs, messages.map(event).into())
}
