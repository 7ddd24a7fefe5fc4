//! Answers to forms: the whole form as it came, as the text of a recording would be.

use serde_json::json;

use super::answer::{Answer, Knobs};
use super::record::Seen;

pub(super) const PATHS: [&str; 5] = [
    "/v1/files",
    "/v1/uploads/upload_stub/parts",
    "/v1/audio/transcriptions",
    "/v1/images/edits",
    "/v1/images/variations",
];

pub(super) fn form(seen: &Seen) -> Answer {
    let text = String::from_utf8_lossy(&seen.plain);
    let quoted = |name: &str| {
        let behind = text.split_once(&format!("{name}=\""))?.1;
        behind.split_once('"').map(|(value, _)| value.to_owned())
    };
    Answer::json(
        &Knobs::default(),
        &json!({ "id": "file-stub", "object": "file", "bytes": seen.plain.len(), "filename": quoted("filename"), "text": text }),
    )
}
