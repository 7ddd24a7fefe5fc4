//! What the stub keeps: the newest response, which can be read again and gone on from, and the newest file.

use http::Method;
use serde_json::Value;

use super::answer::{Answer, Ask, Knobs};
use super::record::{Record, Seen};
use super::responses;

const RESPONSES: &str = "/v1/responses";
const FILES: &str = "/v1/files";

/// The answer to a request for what was kept; none to any other.
pub(super) fn answer(seen: &Seen, record: &Record) -> Option<Answer> {
    let ask = Ask::new(seen.json(), &seen.target);
    match (&seen.method, seen.target.as_str()) {
        (&Method::GET, "/v1/responses/resp_stub") => {
            let kept = newest(record, RESPONSES)?;
            let kept = Ask::new(kept.json(), RESPONSES);
            Some(responses::responses(&Ask {
                stream: false,
                ..kept
            }))
        }
        (&Method::POST, RESPONSES) if ask.body["previous_response_id"] != Value::Null => {
            let before = Ask::new(newest(record, RESPONSES)?.json(), RESPONSES);
            let text = format!("{} after {}", ask.text, before.text);
            Some(responses::responses(&Ask { text, ..ask }))
        }
        (&Method::GET, "/v1/files/file-stub/content") => {
            let form = newest(record, FILES)?;
            let form = String::from_utf8_lossy(&form.plain).into_owned();
            let (_, part) = form.split_once("name=\"file\"")?;
            let (_, content) = part.split_once("\r\n\r\n")?;
            let (content, _) = content.rsplit_once("\r\n--")?;
            Some(Answer::file(&Knobs::default(), content))
        }
        _ => None,
    }
}

fn newest(record: &Record, path: &str) -> Option<Seen> {
    let seen = record.requests().into_iter().rev();
    seen.into_iter()
        .find(|seen| seen.method == Method::POST && seen.target == path)
}
