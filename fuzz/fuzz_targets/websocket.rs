//! Whatever the frames, of either side: messages are the same however they arrive and however they were cut into frames, and
//! what is written is read.
#![no_main]

use bytes::BytesMut;
use interceptor_agent::websocket::{Message, Reader, Side, WebSocketError, write};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

/// Less than the inputs' own, so that it is reached.
const LIMIT: usize = 2048;

fuzz_target!(|raw: &[u8]| {
    for (side, key) in [
        (Side::Server, None),
        (Side::Client, Some([0x37, 0xfa, 0x21, 0x3d])),
    ] {
        let (messages, error) = read(side, &[raw]);
        for chunks in cuts(raw) {
            assert_eq!(read(side, &chunks), (messages.clone(), error));
        }
        let mut out = BytesMut::new();
        messages
            .iter()
            .for_each(|message| write(message, key, &mut out));
        assert_eq!(read(side, &[&out]), (messages, None));
        in_frames(side, key, raw);
    }
});

fn read(side: Side, chunks: &[&[u8]]) -> (Vec<Message>, Option<WebSocketError>) {
    let mut reader = Reader::new(side, LIMIT);
    let mut messages = Vec::new();
    for chunk in chunks {
        reader.buffer().extend_from_slice(chunk);
        loop {
            match reader.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// `payload` as one message in many frames, with a ping between them.
fn in_frames(side: Side, key: Option<[u8; 4]>, payload: &[u8]) {
    let chunks = &cuts(payload)[1];
    let ping = Message::Ping(b"there?".to_vec());
    let mut out = BytesMut::new();
    for (number, chunk) in chunks.iter().enumerate() {
        let start = out.len();
        write(&Message::Binary(chunk.to_vec()), key, &mut out);
        let fin = if number + 1 == chunks.len() { 0x80 } else { 0 };
        out[start] = fin | if number == 0 { 2 } else { 0 };
        if fin == 0 {
            write(&ping, key, &mut out);
        }
    }
    let (messages, error) = read(side, &[&out]);
    if payload.len() > LIMIT {
        return assert_eq!(error, Some(WebSocketError::TooLong { limit: LIMIT }));
    }
    let pings = chunks.len().saturating_sub(1);
    let mut expected = vec![ping; pings];
    expected.extend((!payload.is_empty()).then(|| Message::Binary(payload.to_vec())));
    assert_eq!((messages, error), (expected, None));
}
