//! Uploads, which are forms; and a line of a batch file: `{"custom_id": …, "method": "POST", "url": "/v1/…", "body": {…}}`.

use crate::{
    json::{Kind, Value},
    protocol::{
        Endpoint, Protocol, Route,
        response::{self, Answer},
        route, schema,
    },
};

/// `POST /v1/uploads/ID/parts`: a piece of a file, cut anywhere. What stands across a cut can't be seen.
pub static PIECE: Endpoint = Endpoint {
    name: "openai_upload_part",
    request: &schema::GENERIC,
    answer: &response::PLAIN,
};

/// `POST /v1/audio/transcriptions`, `/v1/audio/translations`
pub static TRANSCRIPTION: Endpoint = Endpoint {
    name: "openai_transcription",
    request: &schema::GENERIC,
    answer: &Answer {
        stream: Some(&super::responses::STREAM),
        ..response::PLAIN
    },
};

/// The body of a request that stands in a line of a file, and where its text stands in it. `None`: the line is no such
/// request, or says twice what it is.
pub fn batched(line: Value<'_>) -> Option<(Value<'_>, &'static Endpoint)> {
    let only = |key: &str| {
        let named = line.entries().filter(|(name, _)| name.is_str(key));
        let mut values = named.map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let body = only("body").filter(|body| body.kind() == Kind::Object)?;
    let (method, url) = (only("method")?.text()?, only("url")?.text()?);
    match route(Protocol::OpenAi, &[], &method, &url, false) {
        Route::Body(endpoint) => Some((body, endpoint)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_line_says_where_its_body_goes() {
        let of = |line: &str| {
            let doc = json::parse(line.as_bytes()).unwrap();
            batched(doc.root()).map(|(body, endpoint)| (body.inner_raw().to_owned(), endpoint))
        };
        let line =
            r#"{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"a":1}}"#;
        assert_eq!(of(line), Some((r#""a":1"#.to_owned(), &super::super::CHAT)));
        for (from, to) in [
            ("POST", "GET"),
            ("/v1/chat", "/v2/chat"),
            (r#"{"a":1}"#, r#"["a"]"#),
            (r#""body""#, r#""Body""#),
            (r#""custom_id":"1""#, r#""url":"/v1/chat/completions""#),
            (r#""custom_id":"1""#, r#""body":{}"#),
        ] {
            assert_eq!(of(&line.replace(from, to)), None, "{to}");
        }
        assert_eq!(of(r#"["body"]"#), None);
    }
}
