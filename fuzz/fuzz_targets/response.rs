//! Whatever answers: unmasked in chunks it is what it is unmasked as a whole, and one that has nothing to put back leaves as it
//! came. The first line is the endpoint and the framing.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use interceptor_agent::{
    eventstream,
    mask::{
        response::{Framing, UnmaskError, Unmasker},
        token::TokenMap,
    },
    protobuf,
    protocol::Endpoint,
};
use interceptor_fuzz::{cuts, with_endpoint};
use libfuzzer_sys::fuzz_target;

static TOKENS: LazyLock<Arc<TokenMap>> = LazyLock::new(|| {
    let map = TokenMap::from_json(include_bytes!("../../tests/fixtures/map.json"));
    Arc::new(map.expect("the fixtures' map is one"))
});
/// Its token begins as no answer below does.
static OTHERS: LazyLock<Arc<TokenMap>> = LazyLock::new(|| {
    Arc::new(
        [("~_001".to_owned(), "value".to_owned())]
            .into_iter()
            .collect(),
    )
});

fuzz_target!(|input: &[u8]| {
    let Some((endpoint, framing, raw)) = with_endpoint(input) else {
        return;
    };
    let (framing, body) = match framing {
        "json" => (Framing::of(endpoint, "application/json"), raw.to_vec()),
        "sse" => (Framing::Sse, raw.to_vec()),
        "jsonl" => (Framing::Items, raw.to_vec()),
        "messages" => (Framing::Messages, messages(raw)),
        "grpc" if endpoint.is_grpc() => (Framing::Grpc, grpc(raw)),
        "text" => (Framing::Text, raw.to_vec()),
        _ => return,
    };
    let unmask = |tokens, chunks: &[&[u8]]| unmasked(endpoint, framing, tokens, chunks);
    let whole = unmask(&TOKENS, &[&body]);
    for chunks in cuts(&body) {
        let (out, result) = unmask(&TOKENS, &chunks);
        assert_eq!(
            (String::from_utf8_lossy(&out), result),
            (String::from_utf8_lossy(&whole.0), whole.1)
        );
    }
    // What is escaped could end in the middle of an escape, which is held.
    if !raw.contains(&b'~') && !raw.contains(&b'\\') {
        let (out, result) = unmask(&OTHERS, &[&body]);
        assert!(
            result.is_err() || out == body,
            "{}",
            String::from_utf8_lossy(&out)
        );
    }
});

fn unmasked(
    endpoint: &'static Endpoint,
    framing: Framing,
    tokens: &Arc<TokenMap>,
    chunks: &[&[u8]],
) -> (BytesMut, Result<(), UnmaskError>) {
    let mut unmasker = Unmasker::new(endpoint, framing, Arc::clone(tokens));
    let mut out = BytesMut::new();
    let mut pushed = chunks.iter().map(|chunk| unmasker.push(chunk, &mut out));
    let result = pushed.find(Result::is_err).unwrap_or(Ok(()));
    drop(pushed);
    let result = result.and_then(|()| unmasker.finish(&mut out));
    (out, result)
}

/// Each line as an event message: its kind, and its JSON.
fn messages(raw: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for line in raw.split(|&byte| byte == b'\n') {
        let at = line.iter().position(|&byte| byte == b' ').unwrap_or(0);
        let kind = String::from_utf8_lossy(&line[..at]);
        let headers = [(":event-type", &*kind), (":message-type", "event")];
        if kind.len() < 1 << 10 {
            eventstream::write(&headers, line[at..].trim_ascii_start(), &mut out);
        }
    }
    out.into()
}

/// Each line as a message of gRPC.
fn grpc(raw: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for line in raw.split(|&byte| byte == b'\n') {
        protobuf::write_message(line, &mut out);
    }
    out.into()
}
