//! Whatever the stream: messages are the same however it arrives, one bit makes a message a broken one, and what is written
//! again is the same bytes.
#![no_main]

use bytes::BytesMut;
use interceptor_agent::eventstream::{EventStreamError, Messages};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    check(raw);
    let stream = with_lengths_and_crcs(raw);
    let (messages, error) = check(&stream);
    let Some(first) = messages.first() else {
        return;
    };
    assert!(error.is_some() || messages.concat() == stream);
    let bit = crc32fast::hash(raw) as usize % (8 * first.len());
    let mut broken = first.clone();
    broken[bit / 8] ^= 1 << (bit % 8);
    assert_eq!(
        read(&[&broken]),
        (vec![], Some(EventStreamError::Broken)),
        "bit {bit}"
    );
});

type Seen = (Vec<Vec<u8>>, Option<EventStreamError>);

fn check(raw: &[u8]) -> Seen {
    let whole = read(&[raw]);
    for chunks in cuts(raw) {
        assert_eq!(read(&chunks), whole);
    }
    whole
}

fn read(chunks: &[&[u8]]) -> Seen {
    let mut messages = Messages::new(1 << 20);
    let mut seen = Vec::new();
    for chunk in chunks {
        messages.push(chunk);
        loop {
            match messages.next_message() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    let mut again = BytesMut::new();
                    message.write_with(message.payload(), &mut again);
                    assert_eq!(again, message.raw());
                    message.header(":event-type");
                    seen.push(message.raw().to_vec());
                }
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    (seen, None)
}

/// Messages whose headers and payloads are those of `raw`, each between two lengths of a byte: no fuzzer guesses a CRC.
fn with_lengths_and_crcs(mut raw: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [headers, payload, rest @ ..] = raw {
        let (headers, payload) = (usize::from(*headers), usize::from(*payload));
        let (headers, rest) = rest.split_at(headers.min(rest.len()));
        let (payload, rest) = rest.split_at(payload.min(rest.len()));
        raw = rest;
        let start = stream.len();
        let total = 16 + headers.len() + payload.len();
        stream.extend((total as u32).to_be_bytes());
        stream.extend((headers.len() as u32).to_be_bytes());
        stream.extend(crc32fast::hash(&stream[start..]).to_be_bytes());
        stream.extend_from_slice(headers);
        stream.extend_from_slice(payload);
        stream.extend(crc32fast::hash(&stream[start..]).to_be_bytes());
    }
    stream
}
