//! Values are long and tokens are short: what is put back has a limit too.

use super::*;
use crate::protocol::openai;

const LIMIT: usize = 1 << 20;
const FRAMINGS: [Framing; 5] = [
    Framing::Json,
    Framing::Sse,
    Framing::Items,
    Framing::Content,
    Framing::Text,
];

fn tokens() -> Tokens {
    Tokens::new(map(&[("PEM_001", &"k".repeat(64 << 10))]))
}

fn unmasker(framing: Framing) -> Unmasker {
    Unmasker::with_limits(&openai::CONTENT, framing, tokens(), LIMIT, LIMIT)
}

/// One object with so many tokens, as some framing has it.
fn body(framing: Framing, count: usize) -> String {
    let texts = vec![r#""PEM_001""#; count].join(",");
    match framing {
        Framing::Sse => format!("data: {{\"text\":[{texts}]}}\n\n"),
        _ => format!("{{\"text\":[{texts}]}}\n"),
    }
}

#[test]
fn more_than_may_be_held_is_an_error() {
    for framing in FRAMINGS {
        let mut out = BytesMut::new();
        let mut unmasker = unmasker(framing);
        let body = body(framing, 100);
        let pushed = unmasker.push(body.as_bytes(), &mut out);
        let ended = pushed.and_then(|()| unmasker.finish(&mut out));
        let too_long = UnmaskError::BodyTooLong { limit: LIMIT };
        assert_eq!(ended, Err(too_long), "{framing:?}");
        assert!(out.is_empty(), "{framing:?}");
        assert!(out.capacity() < 3 * LIMIT, "{framing:?}");
    }
}

#[test]
fn a_stream_of_many_small_pieces_goes_on() {
    for framing in [Framing::Sse, Framing::Items, Framing::Text] {
        let mut unmasker = unmasker(framing);
        let mut bytes = 0;
        for _ in 0..50 {
            let mut out = BytesMut::new();
            unmasker
                .push(body(framing, 2).as_bytes(), &mut out)
                .unwrap();
            bytes += out.len();
        }
        assert!(bytes > 100 * (64 << 10), "{framing:?}: {bytes}");
    }
}

#[test]
fn one_message_has_the_same_limit() {
    let tokens = tokens().limited(LIMIT);
    let mut events = EventUnmasker::new(&openai::CONTENT);
    let mut event = |count| events.event(&tokens, body(Framing::Items, count));
    for _ in 0..20 {
        assert_eq!(event(2).unwrap().len(), 1);
    }
    assert_eq!(event(100), Err(UnmaskError::BodyTooLong { limit: LIMIT }));
}
