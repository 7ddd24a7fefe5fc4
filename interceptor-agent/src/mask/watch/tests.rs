//! Values in answers: over pieces of every size, in every protocol's streams, counted once.

mod ours;

use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::{
    mask::{
        response::{Framing, UnmaskError, Unmasker},
        token::TokenMap,
        unmask::{Pieces, Tokens},
    },
    protocol::{Endpoint, anthropic, cohere, gemini, ollama, openai},
};

const KEY: &str = concat!("AKIA", "Z3QWXLV5RPT7NBSD");
const ID: &str = "i-0123456789abcdef0";
const CARD: &str = concat!("4111 1111 ", "1111 1111");

/// Looks for these classes only.
fn watching(actions: &[(&str, Action)], mode: Mode) -> Watching {
    let mut all: BTreeMap<String, Action> = Detectors::class_names()
        .map(|name| (name.to_owned(), Action::Allow))
        .collect();
    let actions = actions
        .iter()
        .map(|(name, action)| ((*name).to_owned(), *action));
    all.extend(actions);
    let detectors = Detectors::with_actions(&all).unwrap();
    Arc::new(Watch::new(Arc::new(detectors), mode)).begin()
}

fn masking() -> Watching {
    let masked = [
        "aws_access_key",
        "ec2_instance",
        "payment_card",
        "private_key",
        "email",
    ];
    watching(&masked.map(|class| (class, Action::Mask)), Mode::Enforce)
}

fn tokens(watching: &Watching) -> Tokens {
    let map: TokenMap = [("EC2_001".to_owned(), ID.to_owned())]
        .into_iter()
        .collect();
    Tokens::new(Arc::new(map)).watched(Some(watching.clone()))
}

fn streamed(tokens: &Tokens, escaping: Escaping, text: &[u8], size: usize) -> String {
    let mut pieces = Pieces::new(escaping);
    let mut out = Vec::new();
    for piece in text.chunks(size) {
        out.extend_from_slice(&pieces.push(tokens, piece));
    }
    out.extend_from_slice(&pieces.finish(tokens, b""));
    assert!(!pieces.is_holding());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_value_over_pieces_of_any_size_is_masked_and_what_was_put_back_is_not() {
    let pem = concat!(
        "-----BEGIN RSA PRIVATE ",
        "KEY-----\nMIIEowIBAAKCAQEAm3kq0mJ7Zp\nq8rVt2xYw==\n-----END RSA PRIVATE ",
        "KEY-----"
    );
    let text = format!("열쇠는 {KEY}입니다, at EC2_001: {CARD}.\n{pem}\nThe end, and {KEY} again.");
    let expected = format!(
        "열쇠는 [AWS_KEY]입니다, at {ID}: [CARD].\n[PRIVATE_KEY]\nThe end, and [AWS_KEY] again."
    );
    for size in 1..60 {
        let watching = masking();
        assert_eq!(
            streamed(&tokens(&watching), Escaping::None, text.as_bytes(), size),
            expected,
            "{size}"
        );
        let counts: Vec<_> = watching
            .report()
            .iter()
            .map(|seen| (seen.class, seen.count))
            .collect();
        assert_eq!(
            counts,
            [
                ("aws_access_key", 1),
                ("payment_card", 1),
                ("private_key", 1)
            ],
            "{size}"
        );
    }
}

#[test]
fn a_value_in_a_tools_arguments_leaves_json() {
    let arguments =
        format!(r#"{{"key": "{KEY}", "card": 4111111111111111, "note": "\"{CARD}\""}}"#);
    let raw = serde_json::to_string(&arguments).unwrap();
    let raw = &raw.as_bytes()[1..raw.len() - 1];
    // Pieces of JSON strings end between escapes.
    let watching = masking();
    let tokens = tokens(&watching);
    let mut pieces = Pieces::new(Escaping::JsonInJson);
    let (at, mut out) = (raw.len() / 2, Vec::new());
    let at = at + raw[at..].iter().position(|byte| *byte == b' ').unwrap();
    out.extend_from_slice(&pieces.push(&tokens, &raw[..at]));
    out.extend_from_slice(&pieces.finish(&tokens, &raw[at..]));
    let said: String =
        serde_json::from_str(&format!("\"{}\"", String::from_utf8(out).unwrap())).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        said,
        serde_json::json!({ "key": "[AWS_KEY]", "card": 0, "note": "\"[CARD]\"" })
    );
}

#[test]
fn where_nothing_is_enforced_values_are_only_counted() {
    for (mode, action, done) in [
        (Mode::Enforce, Action::Report, "reported"),
        (Mode::ReportOnly, Action::Block, "reported"),
        (Mode::DryRun, Action::Mask, "reported"),
    ] {
        let watching = watching(&[("aws_access_key", action)], mode);
        let text = format!("a {KEY} b");
        assert_eq!(
            streamed(&tokens(&watching), Escaping::None, text.as_bytes(), 5),
            text
        );
        let seen = Watched {
            class: "aws_access_key",
            count: 1,
            done,
        };
        assert_eq!((watching.report(), watching.blocked()), (vec![seen], None));
    }
}

#[test]
fn a_value_too_long_to_hold_ends_the_answer() {
    let begin = concat!("-----BEGIN RSA PRIVATE ", "KEY-----\n");
    let end = concat!("-----END RSA PRIVATE ", "KEY-----\n");
    let key = |lines: usize| {
        let body = "MIIEowIBAAKCAQEAm3kq0mJ7Zp\n".repeat(lines);
        format!("a key: {begin}{body}{end} and more")
    };
    let watching = masking();
    let said = streamed(&tokens(&watching), Escaping::None, key(300).as_bytes(), 100);
    assert_eq!(
        (said.as_str(), watching.blocked()),
        ("a key: [PRIVATE_KEY]\n and more", None)
    );
    let said = streamed(
        &tokens(&watching),
        Escaping::None,
        key(2000).as_bytes(),
        100,
    );
    assert_eq!(
        (said.as_str(), watching.blocked()),
        ("a key: ", Some("private_key"))
    );
}

#[test]
fn bytes_that_are_no_text_pass() {
    let watching = masking();
    let tokens = tokens(&watching);
    let raw = [b"\xff\xfe ", KEY.as_bytes(), b" \x80"].concat();
    let said = tokens.unmask(&raw, Escaping::None).into_owned();
    assert_eq!(said, b"\xff\xfe [AWS_KEY] \x80");
}

/// One piece of text in an endpoint's stream, and how it ends.
struct Case {
    endpoint: &'static Endpoint,
    framing: Framing,
    piece: fn(&str) -> String,
    end: &'static str,
}

const CASES: &[Case] = &[
    Case {
        endpoint: &anthropic::MESSAGES,
        framing: Framing::Sse,
        piece: |text| {
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
            )
        },
        end: "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    },
    Case {
        endpoint: &openai::CHAT,
        framing: Framing::Sse,
        piece: |text| {
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
            )
        },
        end: "data: [DONE]\n\n",
    },
    Case {
        endpoint: &openai::RESPONSES,
        framing: Framing::Sse,
        piece: |text| {
            format!(
                "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
            )
        },
        end: "",
    },
    Case {
        endpoint: &gemini::STREAM,
        framing: Framing::Sse,
        piece: |text| {
            format!(
                "data: {{\"candidates\":[{{\"index\":0,\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n"
            )
        },
        end: "",
    },
    Case {
        endpoint: &cohere::CHAT,
        framing: Framing::Sse,
        piece: |text| {
            format!(
                "event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":0,\"delta\":{{\"message\":{{\"content\":{{\"text\":\"{text}\"}}}}}}}}\n\n"
            )
        },
        end: "",
    },
    Case {
        endpoint: &ollama::CHAT,
        framing: Framing::Items,
        piece: |text| {
            format!(
                "{{\"model\":\"m\",\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"done\":false}}\n"
            )
        },
        end: "",
    },
];

/// The stream's bytes, up to where it ends or may not go on.
fn stream(case: &Case, watching: &Watching, size: usize) -> (String, Option<UnmaskError>) {
    let text = format!("the key is {KEY}, at EC2_001");
    let body: Vec<String> = text
        .as_bytes()
        .chunks(size)
        .map(|piece| (case.piece)(std::str::from_utf8(piece).unwrap()))
        .collect();
    let (body, mut out) = (body.concat() + case.end, BytesMut::new());
    let mut unmasker = Unmasker::with_limits(
        case.endpoint,
        case.framing,
        tokens(watching),
        1 << 20,
        1 << 20,
    );
    let mut pushed = Ok(());
    for chunk in body.as_bytes().chunks(50) {
        pushed = pushed.and_then(|()| unmasker.push(chunk, &mut out));
    }
    let done = pushed.and_then(|()| unmasker.finish(&mut out));
    (String::from_utf8(out.to_vec()).unwrap(), done.err())
}

/// What the stream says, its pieces joined.
fn said(stream: &str) -> String {
    let strings = stream
        .split("\"text\":\"")
        .skip(1)
        .chain(stream.split("\"content\":\"").skip(1))
        .chain(stream.split("\"delta\":\"").skip(1));
    strings
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

#[test]
fn every_protocols_stream_is_looked_at() {
    for case in CASES {
        for size in [1, 3, 7, 100] {
            let (got, error) = stream(case, &masking(), size);
            assert_eq!(error, None, "{:?}", case.endpoint);
            assert_eq!(
                said(&got),
                format!("the key is [AWS_KEY], at {ID}"),
                "{:?} {got}",
                case.endpoint
            );
        }
    }
}

#[test]
fn a_blocked_value_ends_the_stream_and_nothing_of_it_is_sent() {
    for case in CASES {
        for size in [1, 3, 7, 100] {
            let watching = watching(&[("aws_access_key", Action::Block)], Mode::Enforce);
            let (got, error) = stream(case, &watching, size);
            assert_eq!(
                error,
                Some(UnmaskError::Blocked {
                    class: "aws_access_key"
                }),
                "{:?}",
                case.endpoint
            );
            assert!(!said(&got).contains('A'), "{got}");
        }
    }
}

#[test]
fn a_document_is_masked_or_not_sent() {
    let body = format!(r#"{{"id":"{KEY}","choices":[{{"message":{{"content":"it is {KEY}"}}}}]}}"#);
    let run = |watching: &Watching| {
        let mut unmasker = Unmasker::with_limits(
            &openai::CHAT,
            Framing::Json,
            tokens(watching),
            1 << 20,
            1 << 20,
        );
        let mut out = BytesMut::new();
        unmasker.push(body.as_bytes(), &mut out).unwrap();
        let done = unmasker.finish(&mut out);
        done.map(|()| String::from_utf8(out.to_vec()).unwrap())
    };
    // Words of the API are none of the model's.
    let expected = body.replace(&format!("it is {KEY}"), "it is [AWS_KEY]");
    assert_eq!(run(&masking()), Ok(expected));
    let blocking = watching(&[("aws_access_key", Action::Block)], Mode::Enforce);
    assert_eq!(
        run(&blocking),
        Err(UnmaskError::Blocked {
            class: "aws_access_key"
        })
    );
}

proptest! {
    #[test]
    fn ordinary_text_is_what_it_was(text in "[a-zA-Z0-9 .\\n\\\\\"é한-]{0,200}", size in 1usize..50) {
        let watching = watching(&[("aws_access_key", Action::Mask), ("private_key", Action::Block)], Mode::Enforce);
        let tokens = tokens(&watching);
        prop_assert_eq!(streamed(&tokens, Escaping::None, text.as_bytes(), size), text.clone());
        let raw = serde_json::to_string(&text).unwrap();
        let raw = &raw[1..raw.len() - 1];
        let mut pieces = Pieces::new(Escaping::Json);
        let at = raw.floor_char_boundary(raw.len() / 2);
        let at = if raw[..at].ends_with('\\') { 0 } else { at };
        let mut out = pieces.push(&tokens, &raw.as_bytes()[..at]).into_owned();
        out.extend_from_slice(&pieces.finish(&tokens, &raw.as_bytes()[at..]));
        prop_assert_eq!(String::from_utf8(out).unwrap(), raw);
    }
}
