//! Conversations and chunks as Bedrock streams them, cut anywhere.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    json,
    mask::{
        response::{Framing, Unmasker},
        token::TokenMap,
    },
    protocol::bedrock::{CONVERSE, INVOKE},
};

const ID: &str = "i-0123456789abcdef0";

/// Kind and payload of each message, those of chunks decoded.
type Seen = Vec<(String, String)>;

fn message(kind: &str, payload: &str, out: &mut BytesMut) {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    eventstream::write(&headers, payload.as_bytes(), out);
}

fn chunk(payload: &str, out: &mut BytesMut) {
    let payload = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(payload));
    message("chunk", &payload, out);
}

fn unmasked(endpoint: &'static Endpoint, raw: &[u8], size: usize) -> BytesMut {
    let map: TokenMap = [("EC2_001".to_owned(), ID.to_owned())]
        .into_iter()
        .collect();
    let framing = Framing::of(endpoint, "application/vnd.amazon.eventstream");
    let mut unmasker = Unmasker::new(endpoint, framing, Arc::new(map));
    let mut out = BytesMut::new();
    for piece in raw.chunks(size) {
        unmasker.push(piece, &mut out).unwrap();
    }
    unmasker.finish(&mut out).unwrap();
    out
}

fn read(raw: &[u8]) -> Seen {
    let mut messages = Messages::new(1 << 20);
    messages.push(raw);
    let mut seen = Vec::new();
    while let Some(message) = messages.next_message().unwrap() {
        let kind = message.header(":event-type").unwrap_or_default().to_owned();
        let doc = json::parse(message.payload()).unwrap();
        let payload = match in_chunk(doc.root()) {
            Some((_, inner)) => inner,
            None => doc.raw().to_vec(),
        };
        seen.push((kind, String::from_utf8(payload).unwrap()));
    }
    seen
}

fn delta(block: u32, text: &str) -> String {
    format!(r#"{{"contentBlockIndex":{block},"delta":{{"text":"{text}"}},"p":"abcd"}}"#)
}

fn input(text: &str) -> String {
    format!(r#"{{"contentBlockIndex":1,"delta":{{"toolUse":{{"input":"{text}"}}}}}}"#)
}

#[test]
fn a_conversation_is_unmasked_block_by_block() {
    let reasoning = r#"{"contentBlockIndex":2,"delta":{"reasoningContent":{"text":"EC2_001"}}}"#;
    let events = [
        ("messageStart", r#"{"role":"assistant"}"#.to_owned()),
        ("contentBlockDelta", delta(0, "at EC2_0")),
        ("contentBlockDelta", delta(0, "01, EC2_001")),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#.to_owned()),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolUse":{"name":"t","toolUseId":"x"}}}"#
                .to_owned(),
        ),
        ("contentBlockDelta", input(r#"{\"id\":\"EC"#)),
        ("contentBlockDelta", input(r#"2_001\"}"#)),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#.to_owned()),
        ("contentBlockDelta", reasoning.to_owned()),
        ("messageStop", r#"{"stopReason":"tool_use"}"#.to_owned()),
        ("metadata", r#"{"usage":{"inputTokens":1}}"#.to_owned()),
    ];
    let mut raw = BytesMut::new();
    for (kind, payload) in &events {
        message(kind, payload, &mut raw);
    }
    let mut expected: Seen = events
        .iter()
        .map(|(kind, payload)| ((*kind).to_owned(), payload.clone()))
        .collect();
    expected[1].1 = delta(0, "at ");
    expected[2].1 = delta(0, &format!("{ID}, "));
    let ours = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{ID}"}}}}"#);
    expected[5].1 = input(r#"{\"id\":\""#);
    expected[6].1 = input(&format!(r#"{ID}\"}}"#));
    expected.insert(3, ("contentBlockDelta".to_owned(), ours));
    for size in [raw.len(), 1, 7] {
        assert_eq!(read(&unmasked(&CONVERSE, &raw, size)), expected);
    }
}

#[test]
fn chunks_are_unmasked_in_their_makers_words() {
    let claude = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    };
    let nova = |text: &str| {
        format!(r#"{{"contentBlockDelta":{{"delta":{{"text":"{text}"}},"contentBlockIndex":0}}}}"#)
    };
    let llama = |text: &str| format!(r#"{{"generation":"{text}","stop_reason":null}}"#);
    type Event<'e> = &'e dyn Fn(&str) -> String;
    let cases: [(Event<'_>, &str); 3] = [
        (&claude, r#"{"type":"content_block_stop","index":0}"#),
        (&nova, r#"{"contentBlockStop":{"contentBlockIndex":0}}"#),
        (&llama, r#"{"generation":"","stop_reason":"stop"}"#),
    ];
    for (event, stop) in cases {
        let mut raw = BytesMut::new();
        chunk(&event("on EC2_"), &mut raw);
        chunk(&event("001 and EC2_001"), &mut raw);
        chunk(stop, &mut raw);
        let seen = read(&unmasked(&INVOKE, &raw, 5));
        assert!(seen.iter().all(|(kind, _)| kind == "chunk"), "{seen:?}");
        let said: String = seen.iter().map(|(_, payload)| payload.as_str()).collect();
        assert_eq!(said.matches(ID).count(), 2, "{said}");
        assert!(
            !said.contains("EC2_001") && said.ends_with(&stop[stop.len() - 8..]),
            "{said}"
        );
    }
}

#[test]
fn what_does_not_change_passes_byte_for_byte() {
    let mut raw = BytesMut::new();
    message("contentBlockDelta", &delta(0, "plain"), &mut raw);
    chunk(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"EC2_001"}}"#,
        &mut raw,
    );
    message("odd", "no json", &mut raw);
    eventstream::write(
        &[(":message-type", "exception")],
        br#"{"message":"no"}"#,
        &mut raw,
    );
    assert_eq!(unmasked(&INVOKE, &raw, 9), raw);
}

#[test]
fn what_is_no_json_is_text() {
    let odd = |text: &str| {
        let mut raw = BytesMut::new();
        message("odd", text, &mut raw);
        chunk(text, &mut raw);
        raw
    };
    let got = unmasked(&INVOKE, &odd("no json EC2_001"), 9);
    assert_eq!(got, odd(&format!("no json {ID}")));
}

#[test]
fn an_exception_comes_behind_what_was_held() {
    let mut raw = BytesMut::new();
    message("contentBlockDelta", &delta(0, "EC2_001"), &mut raw);
    let exception = [
        (":message-type", "exception"),
        (":exception-type", "throttlingException"),
    ];
    eventstream::write(&exception, br#"{"message":"EC2_001 again"}"#, &mut raw);
    let seen = read(&unmasked(&CONVERSE, &raw, 100));
    assert_eq!(
        seen[1].1,
        format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{ID}"}}}}"#)
    );
    assert_eq!(seen[2].1, format!(r#"{{"message":"{ID} again"}}"#));
}

proptest! {
    /// However the text is cut into events and the events into bytes, the client reads the same.
    #[test]
    fn deltas_join_to_the_unmasked_text(text in "[E C2_01x]{0,40}", cut in 1usize..6, size in 1usize..50) {
        let mut raw = BytesMut::new();
        let pieces: Vec<_> = text.as_bytes().chunks(cut).collect();
        for piece in pieces {
            message("contentBlockDelta", &delta(0, std::str::from_utf8(piece).unwrap()), &mut raw);
        }
        message("contentBlockStop", r#"{"contentBlockIndex":0}"#, &mut raw);
        let map: TokenMap = [("EC2_001".to_owned(), ID.to_owned())].into_iter().collect();
        let tokens = Tokens::new(Arc::new(map));
        let whole = tokens.unmask(text.as_bytes(), crate::mask::unmask::Escaping::Json).into_owned();
        let said: String = read(&unmasked(&CONVERSE, &raw, size)).iter().map(|(_, payload)| {
            let doc = json::parse(payload.as_bytes()).unwrap();
            let text = doc.root().get("delta").and_then(|delta| delta.get("text")).and_then(Value::text);
            text.unwrap_or_default().into_owned()
        }).collect();
        prop_assert_eq!(said.into_bytes(), whole);
    }
}
