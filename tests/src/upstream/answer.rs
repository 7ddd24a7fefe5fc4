//! What the stub says: the user's own text, as `You said: …`, in the shape of the provider asked.
//!
//! The model's name carries the knobs, as in `stub-tool-slow`; see [`Knobs`].

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::paced::Paced;
use super::record::Seen;
use super::{anthropic, bedrock, cohere, gemini, mcp, ollama, openai, responses, upload};
use crate::coding;

/// The characters of one streamed delta.
const DELTA: usize = 5;

/// What a model's name asks for, words joined by `-`: `tool` (call the tool `echo` with the text), `thinking` (a
/// signed thinking block first, which holds the text too), `redacted` (a redacted one that does), `reversed` (the text from its end on, so that the answer has what the request had not), `slow` (20 ms between events), `cut` (the stream arrives
/// in pieces of 7 bytes), `gzip` `br` `zstd` `deflate` (the answer's content coding), a number (an error of that
/// status, with the text in its message).
#[derive(Clone, Debug, Default)]
pub struct Knobs {
    pub(super) tool: bool,
    pub(super) thinking: bool,
    pub(super) redacted: bool,
    reversed: bool,
    slow: bool,
    cut: bool,
    coding: Option<&'static str>,
    status: Option<StatusCode>,
}

impl Knobs {
    fn parse(model: &str) -> Self {
        let mut knobs = Self::default();
        for word in model.split('-') {
            match word {
                "tool" => knobs.tool = true,
                "thinking" => knobs.thinking = true,
                "redacted" => knobs.redacted = true,
                "reversed" => knobs.reversed = true,
                "slow" => knobs.slow = true,
                "cut" => knobs.cut = true,
                "gzip" => knobs.coding = Some("gzip"),
                "br" => knobs.coding = Some("br"),
                "zstd" => knobs.coding = Some("zstd"),
                "deflate" => knobs.coding = Some("deflate"),
                _ if word.len() == 3 => knobs.status = word.parse().ok(),
                _ => {}
            }
        }
        knobs
    }
}

/// A request, understood.
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) knobs: Knobs,
    /// The text of the last user or tool message.
    pub(super) text: String,
    pub(super) stream: bool,
    /// The whole body.
    pub(super) body: Value,
}

impl Ask {
    /// Of a body and a path, which names the model where the body doesn't.
    pub(super) fn new(body: Value, path: &str) -> Self {
        let in_path = || path.rsplit('/').next()?.split_once(':');
        let in_path = in_path().map_or("stub", |(model, _)| model);
        let model = body["model"].as_str().unwrap_or(in_path).to_owned();
        let turns = ["messages", "input", "contents"];
        let turns = turns.iter().find_map(|key| body.get(key));
        let knobs = Knobs::parse(&model);
        let text = last_user_text(turns.unwrap_or(&Value::Null));
        Self {
            text: match knobs.reversed {
                true => text.chars().rev().collect(),
                false => text,
            },
            knobs,
            model,
            stream: body["stream"] == true,
            body,
        }
    }

    /// What the answer says.
    pub(super) fn reply(&self) -> String {
        format!("You said: {}", self.text)
    }

    /// The arguments of the tool call, itself JSON.
    pub(super) fn arguments(&self) -> String {
        json!({ "text": self.text }).to_string()
    }
}

/// An answer before it is coded and cut.
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    pieces: Vec<Bytes>,
    knobs: Knobs,
}

impl Answer {
    pub(super) fn json(knobs: &Knobs, body: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            pieces: vec![body.to_string().into()],
            knobs: knobs.clone(),
        }
    }

    pub(super) fn file(knobs: &Knobs, content: &str) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/octet-stream",
            pieces: cut(content.as_bytes(), 50),
            knobs: knobs.clone(),
        }
    }

    pub(super) fn events(knobs: &Knobs, pieces: Vec<String>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "text/event-stream; charset=utf-8",
            pieces: pieces.into_iter().map(Bytes::from).collect(),
            knobs: knobs.clone(),
        }
    }

    pub(super) fn messages(knobs: &Knobs, pieces: Vec<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/vnd.amazon.eventstream",
            pieces,
            knobs: knobs.clone(),
        }
    }

    /// The same, as another type of content.
    pub(super) fn of_type(self, content_type: &'static str) -> Self {
        Self {
            content_type,
            ..self
        }
    }

    pub(super) async fn into_response(self) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", self.content_type);
        let mut pieces = self.pieces;
        if let Some(coding) = self.knobs.coding {
            response = response.header("content-encoding", coding);
            let coded = coding::encoded(coding, &pieces.concat()).await;
            pieces = cut(&coded.unwrap_or_default(), 100);
        }
        if self.knobs.cut {
            pieces = cut(&pieces.concat(), 7);
        }
        let body = match <[Bytes; 1]>::try_from(pieces) {
            Ok([whole]) => Full::new(whole).boxed_unsync(),
            Err(pieces) => Paced::new(pieces, self.knobs.slow).boxed_unsync(),
        };
        // Names and values above are constants.
        response.body(body).unwrap_or_default()
    }
}

/// Routes a request; unknown paths are 404, as with the real ones.
pub(super) fn answer(seen: &Seen) -> Answer {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let ask = Ask::new(seen.json(), path);
    let made = upload::made(&ask, path).filter(|_| seen.method == Method::POST);
    let mut answer = match (seen.method.as_str(), path) {
        ("POST", "/v1/messages") => anthropic::messages(&ask),
        ("POST", "/v1/messages/count_tokens") => {
            Answer::json(&ask.knobs, &json!({ "input_tokens": seen.plain.len() }))
        }
        ("POST", path) if path.ends_with("/chat/completions") => openai::chat(&ask),
        ("POST", path) if path.starts_with("/model/") => match bedrock::answer(&ask, path) {
            Some(answer) => answer,
            None => Answer::json(&ask.knobs, &json!({ "inputTokens": 7 })),
        },
        ("POST", path) if upload::PATHS.contains(&path) => upload::form(seen),
        ("POST", "/v1/responses") => responses::responses(&ask),
        ("POST", "/v2/chat") => cohere::chat(&ask),
        ("POST", "/api/chat") => ollama::chat(&ask),
        ("POST", "/mcp") => mcp::call(&ask),
        ("POST", path) if path.ends_with(":generateContent") => gemini::whole(&ask),
        ("POST", path) if path.ends_with(":streamGenerateContent") => {
            gemini::stream(&ask, query.contains("alt=sse"))
        }
        ("GET", "/v1/models") => Answer::json(&ask.knobs, &json!({ "object": "list", "data": [] })),
        ("GET", "/") => Answer::json(&ask.knobs, &json!({ "stub": true })),
        _ => {
            let body = error(path, &format!("no such path: {path}"));
            return made.unwrap_or_else(|| Answer {
                status: StatusCode::NOT_FOUND,
                ..Answer::json(&ask.knobs, &body)
            });
        }
    };
    if let Some(status) = ask.knobs.status {
        let body = error(path, &format!("can't answer: {}", ask.text));
        answer = Answer {
            status,
            ..Answer::json(&ask.knobs, &body)
        };
    }
    answer
}

fn error(path: &str, message: &str) -> Value {
    if path.starts_with("/v1/messages") {
        json!({ "type": "error", "error": { "type": "invalid_request_error", "message": message } })
    } else {
        json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } })
    }
}

/// Cut into the deltas of a stream.
pub(super) fn deltas(text: &str) -> impl Iterator<Item = String> + use<> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(DELTA)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .into_iter()
}

fn last_user_text(messages: &Value) -> String {
    if let Value::String(text) = messages {
        return text.clone();
    }
    let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
    let last = messages
        .iter()
        .rev()
        .find(|message| message["role"] == "user" || message["role"] == "tool");
    last.map(text).unwrap_or_default()
}

/// Strings, text blocks and tool results, one a line.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks
            .iter()
            .map(text)
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Object(block) => text(
            block
                .get("text")
                .or_else(|| block.get("content"))
                .or_else(|| block.get("parts"))
                .unwrap_or(&Value::Null),
        ),
        _ => String::new(),
    }
}

fn cut(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}
