//! JSON that we don't read ends the answer where the client might read it; what is no JSON is text.

use super::*;
use crate::{
    eventstream,
    mask::{
        detector::{Action, Detectors},
        watch::Watch,
    },
    protobuf,
    protocol::{bedrock, grpc, ollama},
};

const KEY: &str = concat!("AKIA", "Z3QWXLV5RPT7NBSD");
/// A value that is no string of JSON as it stands.
const VALUE: &str = "a\"b";

/// What the client gets of an answer that comes in two halves.
fn answered(
    endpoint: &'static Endpoint,
    framing: Framing,
    tokens: Tokens,
    body: &[u8],
) -> Result<String, UnmaskError> {
    let mut unmasker = Unmasker::with_limits(endpoint, framing, tokens, BODY_LIMIT, BODY_LIMIT);
    let mut out = BytesMut::new();
    let (first, second) = body.split_at(body.len() / 2);
    unmasker.push(first, &mut out)?;
    unmasker.push(second, &mut out)?;
    unmasker.finish(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn owning() -> Tokens {
    Tokens::new(map(&[("EC2_001", VALUE)]))
}

fn watching() -> Tokens {
    let detectors = Detectors::with_actions(&[("aws_access_key".to_owned(), Action::Mask)].into());
    let watch = Arc::new(Watch::new(
        Arc::new(detectors.unwrap()),
        crate::mask::Mode::Enforce,
    ));
    Tokens::new(map(&[])).watched(Some(watch.begin()))
}

fn message(payload: &str) -> Vec<u8> {
    let mut out = BytesMut::new();
    let headers = [(":event-type", "chunk"), (":message-type", "event")];
    eventstream::write(&headers, payload.as_bytes(), &mut out);
    out.to_vec()
}

/// The framings, each with an answer that is this JSON.
fn answers(json: &str) -> Vec<(&'static Endpoint, Framing, Vec<u8>)> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let chunk = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(json));
    vec![
        (&ollama::CHAT, Framing::Items, format!("{json}\n").into()),
        (
            &openai::CHAT,
            Framing::Sse,
            format!("data: {json}\n\n").into(),
        ),
        (&openai::CHAT, Framing::Json, json.into()),
        (&openai::CONTENT, Framing::Content, json.into()),
        (
            &openai::CONTENT,
            Framing::Content,
            format!("{{}}\n{json}\n").into(),
        ),
        (&bedrock::CONVERSE, Framing::Messages, message(json)),
        (&bedrock::INVOKE, Framing::Messages, message(&chunk)),
    ]
}

#[test]
fn what_is_nested_too_deep_ends_the_answer() {
    let nested = |said: &str| {
        let (open, close) = ("[".repeat(130), "]".repeat(130));
        format!(r#"{{"message":{{"tool_calls":[{{"arguments":{open}"{said}"{close}}}]}}}}"#)
    };
    for (tokens, said) in [(owning as fn() -> Tokens, "EC2_001"), (watching, KEY)] {
        for (endpoint, framing, body) in answers(&nested(said)) {
            let got = answered(endpoint, framing, tokens(), &body);
            assert!(
                matches!(got, Err(UnmaskError::Unreadable(_))),
                "{framing:?} {got:?}"
            );
        }
    }
}

#[test]
fn what_has_too_many_values_ends_the_answer() {
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(crate::json::MAX_VALUES));
    for (endpoint, framing, body) in answers(&many) {
        let got = answered(endpoint, framing, owning(), &body);
        assert!(
            matches!(got, Err(UnmaskError::Unreadable(_))),
            "{framing:?}"
        );
    }
}

#[test]
fn an_object_that_is_not_whole_is_looked_at() {
    let cut = |said: &str| format!(r#"{{"message":{{"content":"at {said} and"#);
    for (tokens, said, expected) in [
        (owning(), "EC2_001", r#"a\"b"#),
        (watching(), KEY, "[AWS_KEY]"),
    ] {
        let body = cut(said);
        let got = answered(&ollama::CHAT, Framing::Items, tokens, body.as_bytes());
        assert_eq!(got, Ok(cut(expected)));
    }
}

#[test]
fn a_message_that_is_not_whole_ends_the_answer() {
    let said = message(&format!(r#"{{"at":"{KEY}"}}"#));
    let (cut, _) = said.split_at(said.len() - 1);
    let got = answered(&bedrock::CONVERSE, Framing::Messages, watching(), cut);
    assert_eq!(got, Err(EventStreamError::Broken.into()));

    let mut said = BytesMut::new();
    protobuf::write_message(KEY.as_bytes(), &mut said);
    let (cut, _) = said.split_at(said.len() - 1);
    let got = answered(&grpc::GEMINI, Framing::Grpc, watching(), cut);
    assert_eq!(got, Err(GrpcError::Cut.into()));
}

#[test]
fn what_only_a_lenient_reader_takes_for_json_stays_so() {
    let lenient = |said: &str| format!(r#"{{"logprob":NaN,"content":"at {said}, tab	"}}"#);
    let said = [
        (owning as fn() -> Tokens, "EC2_001", r#"a\"b"#),
        (watching, KEY, "[AWS_KEY]"),
    ];
    for (tokens, said, expected) in said {
        let answers = answers(&lenient(said))
            .into_iter()
            .zip(answers(&lenient(expected)));
        for ((endpoint, framing, body), (.., expected)) in answers {
            // A file is put back as it was sent, which was as text.
            let expected = match framing {
                Framing::Content => String::from_utf8(expected).unwrap().replace('\\', ""),
                _ => String::from_utf8_lossy(&expected).into_owned(),
            };
            let got = answered(endpoint, framing, tokens(), &body);
            assert_eq!(got, Ok(expected), "{framing:?}");
        }
    }
}

#[test]
fn of_events_that_come_one_by_one_none_is_passed_unread() {
    let event = |said: &str| {
        format!(
            r#"{{"type":"x","y":{}"{said}"{}}}"#,
            "[".repeat(130),
            "]".repeat(130)
        )
    };
    for (tokens, said) in [(owning(), "EC2_001"), (watching(), KEY)] {
        let mut events = EventUnmasker::new(&openai::RESPONSES);
        let got = events.event(&tokens, event(said));
        assert!(matches!(got, Err(UnmaskError::Unreadable(_))), "{got:?}");
    }
}
