//! Answers to what has to do with files: the whole form as it came, as the text of a recording would be, and the file in it.

use serde_json::json;

use super::answer::{Answer, Ask, Knobs};
use super::record::Seen;

pub(super) const PATHS: [&str; 5] = [
    "/v1/files",
    "/v1/uploads/upload_stub/parts",
    "/v1/audio/transcriptions",
    "/v1/images/edits",
    "/v1/images/variations",
];

const MADE: [(&str, &str, &str); 4] = [
    ("/v1/messages/batches", "msgbatch_stub", "in_progress"),
    ("/v1/batches", "batch_stub", "validating"),
    ("/v1/uploads", "upload_stub", "pending"),
    (
        "/v1/uploads/upload_stub/complete",
        "upload_stub",
        "completed",
    ),
];

pub(super) fn form(seen: &Seen) -> Answer {
    let text = String::from_utf8_lossy(&seen.plain);
    let behind = text.split_once("filename=\"").map(|(_, behind)| behind);
    let name = behind.and_then(|behind| Some(behind.split_once('"')?.0));
    let content = behind.and_then(|behind| behind.split_once("\r\n\r\n")?.1.split("\r\n--").next());
    Answer::json(
        &Knobs::default(),
        &json!({
            "id": "file-stub",
            "object": "file",
            "bytes": seen.plain.len(),
            "filename": name,
            "content": content,
            "text": text,
        }),
    )
}

/// What is made of a file, or for one: with an id, in a state, and as the request described it.
pub(super) fn made(ask: &Ask, path: &str) -> Option<Answer> {
    let (_, id, state) = MADE.iter().find(|row| row.0 == path)?;
    let mut object = ask.body.clone();
    object["id"] = json!(id);
    object["status"] = json!(state);
    object["processing_status"] = json!(state);
    Some(Answer::json(&ask.knobs, &object))
}
