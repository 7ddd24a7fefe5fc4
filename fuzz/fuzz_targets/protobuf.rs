//! Whatever the bytes: fields are all of a message and are written as they were read; messages of gRPC are the same however
//! they arrive.
#![no_main]

use bytes::BytesMut;
use interceptor_agent::protobuf::{self, GrpcError, Value};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    fields(raw, 0);
    let whole = messages(&[raw]);
    for chunks in cuts(raw) {
        assert_eq!(messages(&chunks), whole);
    }
    let mut out = BytesMut::new();
    protobuf::write_message(raw, &mut out);
    assert_eq!(messages(&[&out]), (vec![raw.to_vec()], Ok(0)));
});

fn fields(raw: &[u8], depth: usize) {
    let Some(fields_of) = protobuf::fields(raw) else {
        return;
    };
    let mut out = Vec::new();
    for field in fields_of {
        assert_eq!(field.head.start, out.len());
        match field.value {
            Value::Bytes(range) => {
                protobuf::write(field.number, &raw[range.clone()], &mut out);
                if depth < protobuf::MAX_DEPTH {
                    fields(&raw[range], depth + 1);
                }
            }
            _ => out.extend_from_slice(&raw[field.head]),
        }
    }
    assert_eq!(out, raw);
}

/// Messages, and how much is left or why there are no more.
fn messages(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Result<usize, GrpcError>) {
    let mut buffer = Vec::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        let mut rest = &buffer[..];
        loop {
            match protobuf::next_message(&mut rest, 1 << 20) {
                Ok(Some(message)) => seen.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (seen, Err(error)),
            }
        }
        let read = buffer.len() - rest.len();
        buffer.drain(..read);
    }
    (seen, Ok(buffer.len()))
}
