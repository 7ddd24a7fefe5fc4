//! What fixtures don't show.

mod attempts;
mod much;
mod property;
mod unreadable;

use super::*;
use crate::protocol::{GENERIC, anthropic, openai};

/// `body` unmasked, in chunks of `size` bytes.
fn run(
    endpoint: &'static Endpoint,
    framing: Framing,
    map: Arc<TokenMap>,
    body: &[u8],
    size: usize,
) -> String {
    let mut unmasker = Unmasker::new(endpoint, framing, map);
    let mut out = BytesMut::new();
    for chunk in body.chunks(size) {
        unmasker.push(chunk, &mut out).unwrap();
    }
    unmasker.finish(&mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn map(pairs: &[(&str, &str)]) -> Arc<TokenMap> {
    let owned = pairs
        .iter()
        .map(|(token, value)| ((*token).to_owned(), (*value).to_owned()));
    Arc::new(owned.collect())
}

fn sse(endpoint: &'static Endpoint, body: &str) -> String {
    run(
        endpoint,
        Framing::Sse,
        map(&[("EC2_001", "i-0abc")]),
        body.as_bytes(),
        usize::MAX,
    )
}

#[test]
fn content_types_choose_the_framing() {
    for (value, framing) in [
        ("text/event-stream; charset=utf-8", Framing::Sse),
        ("Application/JSON", Framing::Json),
        ("application/problem+json;x=y", Framing::Json),
        ("application/x-ndjson", Framing::Items),
        ("application/stream+json", Framing::Items),
        ("text/html", Framing::Text),
        ("", Framing::Text),
        ("é+json", Framing::Json),
        ("xéjson", Framing::Text),
    ] {
        assert_eq!(Framing::of(&openai::CHAT, value), framing, "{value}");
    }
}

#[test]
fn without_tokens_every_byte_passes_at_once() {
    for framing in [Framing::Json, Framing::Sse, Framing::Text] {
        let mut unmasker = Unmasker::new(&openai::CHAT, framing, map(&[]));
        let mut out = BytesMut::new();
        unmasker.push(b"data: {\"EC2_00", &mut out).unwrap();
        assert_eq!(out, &b"data: {\"EC2_00"[..]);
        assert!(unmasker.is_untouched());
    }
}

#[test]
fn limits_are_errors() {
    let map = map(&[("EC2_001", "i-0abc")]);
    let mut out = BytesMut::new();
    let mut limited = |framing| {
        Unmasker::with_limits(&GENERIC, framing, Tokens::new(map.clone()), 8, 8)
            .push(b"123456789", &mut out)
            .err()
    };
    assert_eq!(
        limited(Framing::Json),
        Some(UnmaskError::BodyTooLong { limit: 8 })
    );
    assert_eq!(
        limited(Framing::Sse),
        Some(UnmaskError::EventTooLong(EventTooLong { limit: 8 }))
    );
    assert_eq!(limited(Framing::Text), None);
}

#[test]
fn results_of_a_batch_are_lines_by_whatever_type() {
    let map = map(&[("PEM_001", "a\nb")]);
    for kind in ["application/binary", "text/plain", "application/json", ""] {
        let framing = Framing::of(&anthropic::RESULTS, kind);
        let mut unmasker = Unmasker::new(&anthropic::RESULTS, framing, map.clone());
        let mut out = BytesMut::new();
        let lines = b"{\"text\":\"PEM_001\"}\n{\"text\":\"PEM_001\"}\n";
        unmasker.push(lines, &mut out).unwrap();
        unmasker.finish(&mut out).unwrap();
        assert_eq!(
            out,
            r#"{"text":"a\nb"}"#.to_owned() + "\n" + r#"{"text":"a\nb"}"# + "\n",
            "{kind}"
        );
    }
}

#[test]
fn an_event_may_be_as_long_as_a_body() {
    let picture = "A".repeat(9 << 20);
    for (framing, end) in [(Framing::Sse, "\n\n"), (Framing::Items, "\n")] {
        let head = if framing == Framing::Sse {
            "data: "
        } else {
            ""
        };
        let body = |text| format!(r#"{head}{{"picture":"{picture}","text":"{text}"}}{end}"#);
        let map = map(&[("EC2_001", "i-0abc")]);
        let mut unmasker = Unmasker::new(&GENERIC, framing, map);
        let mut out = BytesMut::new();
        for chunk in body("EC2_001").as_bytes().chunks(16 << 10) {
            unmasker.push(chunk, &mut out).unwrap();
        }
        unmasker.finish(&mut out).unwrap();
        assert!(out == body("i-0abc"), "{framing:?}");
    }
}

#[test]
fn what_is_not_json_is_text() {
    let map = map(&[("EC2_001", "i-0abc"), ("PEM_001", "a\nb")]);
    let page = b"<p>EC2_001: bad gateway \xff</p>";
    let mut unmasker = Unmasker::new(&openai::CHAT, Framing::Json, map.clone());
    let mut out = BytesMut::new();
    unmasker.push(page, &mut out).unwrap();
    unmasker.finish(&mut out).unwrap();
    assert_eq!(out, &b"<p>i-0abc: bad gateway \xff</p>"[..]);
    let stream = run(
        &openai::CHAT,
        Framing::Sse,
        map,
        b"data: oh PEM_001!\n\n",
        3,
    );
    assert_eq!(stream, "data: oh a\ndata: b!\n\n");
}

#[test]
fn what_is_held_goes_out_when_the_stream_breaks_off() {
    let delta = r#"data: {"id":"x","choices":[{"index":2,"delta":{"content":"on EC2_001"}}]}"#;
    let cut = delta.replace("EC2_001", "");
    let ours = r#"data: {"id":"x","choices":[{"index":2,"delta":{"content":"i-0abc"}}]}"#;
    for (end, between) in [("\n\n", ""), ("\n", "\n\n"), ("", "\n\n")] {
        let out = sse(&openai::CHAT, &format!("{delta}{end}"));
        assert_eq!(out, format!("{cut}{end}{between}{ours}\n\n"), "{end:?}");
    }
    let done = "data: [DONE]\n\n";
    let out = sse(&openai::CHAT, &format!("{delta}\n\n{done}"));
    assert_eq!(out, format!("{cut}\n\n{ours}\n\n{done}"));
}

#[test]
fn a_text_gives_way_to_the_next_of_its_choice() {
    let chunk =
        |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    let call = r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}"#;
    let ours = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"E\"}}]}\n\n";
    let stream = [chunk(r#"{"content":"E"}"#), chunk(call)];
    assert_eq!(
        sse(&openai::CHAT, &stream.concat()),
        [&chunk(r#"{"content":""}"#), ours, &stream[1]].concat()
    );
    let both =
        chunk(r#"{"content":"EC2_001","tool_calls":[{"index":0,"function":{"arguments":"E"}}]}"#);
    let out = sse(&openai::CHAT, &both);
    assert!(
        out.starts_with(&both.replace("EC2_001", "i-0abc").replace("\"E\"", "\"\"")),
        "{out}"
    );
}

#[test]
fn a_tools_input_has_no_opaque_names() {
    let body = r#"{"id":"EC2_001","content":[{"type":"tool_use","input":{"id":"EC2_001","EC2_001":{"type":"thinking","signature":"EC2_001"}}},{"type":"thinking","thinking":"EC2_001"}]}"#;
    let map = map(&[("EC2_001", "i-0abc")]);
    let out = run(
        &anthropic::MESSAGES,
        Framing::Json,
        map,
        body.as_bytes(),
        64,
    );
    let expected = r#"{"id":"EC2_001","content":[{"type":"tool_use","input":{"id":"i-0abc","i-0abc":{"type":"thinking","signature":"i-0abc"}}},{"type":"thinking","thinking":"EC2_001"}]}"#;
    assert_eq!(out, expected);
}

#[test]
fn an_event_of_many_texts_takes_no_time() {
    let started = std::time::Instant::now();
    for finish in ["null", "\"stop\""] {
        let choice = |number| {
            format!(
                r#"{{"index":{number},"delta":{{"content":"e","tool_calls":[{{"index":{number},"function":{{"arguments":"EC2"}}}}]}},"finish_reason":{finish}}}"#
            )
        };
        let choices: Vec<_> = (0..30_000).map(choice).collect();
        let body = format!("data: {{\"choices\":[{}]}}\n\n", choices.join(","));
        let out = sse(&openai::CHAT, &body);
        // What is held of the first of them comes behind it.
        assert_eq!(out == body, finish != "null");
        assert_eq!(out.matches("\"EC2\"").count(), 30_000);
    }
    assert!(started.elapsed().as_secs() < 10);
}
