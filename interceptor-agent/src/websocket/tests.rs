//! RFC 6455's own examples, what it forbids, and round trips.

use proptest::prelude::*;

use super::*;

fn read(from: Side, raw: &[u8], size: usize) -> Result<Vec<Message>, WebSocketError> {
    let mut reader = Reader::new(from, 1000);
    let mut seen = Vec::new();
    for chunk in raw.chunks(size) {
        reader.buffer().extend_from_slice(chunk);
        while let Some(message) = reader.next_message()? {
            seen.push(message);
        }
    }
    Ok(seen)
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

#[test]
fn the_examples_of_the_standard() {
    // §5.7
    let hello = vec![text("Hello")];
    for size in [1, 2, 99] {
        assert_eq!(
            read(Side::Server, b"\x81\x05Hello", size),
            Ok(hello.clone())
        );
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(read(Side::Client, masked, size), Ok(hello.clone()));
        // A ping between two frames of a message.
        let fragments = b"\x01\x03Hel\x89\x01p\x80\x02lo";
        let expected = vec![Message::Ping(b"p".to_vec()), text("Hello")];
        assert_eq!(read(Side::Server, fragments, size), Ok(expected));
    }
    let mut out = BytesMut::new();
    write(&text("Hello"), Some(*b"\x37\xfa\x21\x3d"), &mut out);
    assert_eq!(out, &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..]);
}

#[test]
fn what_the_standard_forbids_is_an_error() {
    for (name, raw) in [
        ("a reserved bit", &b"\xc1\x00"[..]),
        ("an unknown opcode", b"\x83\x00"),
        ("an unknown control frame", b"\x8b\x00"),
        ("a masked frame of a server", b"\x81\x80\0\0\0\0"),
        ("a continuation of nothing", b"\x80\x00"),
        ("a message within a message", b"\x01\x00\x81\x00"),
        ("a control frame in parts", b"\x09\x00"),
        ("a long control frame", b"\x89\x7e\x00\x7e"),
        ("16 bits for what 7 can say", b"\x81\x7e\x00\x7d"),
        (
            "64 bits for what 16 can say",
            b"\x81\x7f\0\0\0\0\0\0\xff\xff",
        ),
        ("the highest of 64 bits", b"\x81\x7f\x80\0\0\0\0\0\0\0"),
        ("a close of one byte", b"\x88\x01\x03"),
        ("a close for nobody to send", b"\x88\x02\x03\xed"),
    ] {
        assert_eq!(
            read(Side::Server, raw, 99),
            Err(WebSocketError::Protocol),
            "{name}"
        );
    }
    let unmasked = read(Side::Client, b"\x81\x00", 99);
    assert_eq!(unmasked, Err(WebSocketError::Protocol));
    for raw in [&b"\x81\x01\xff"[..], b"\x88\x03\x03\xe8\xff"] {
        assert_eq!(read(Side::Server, raw, 99), Err(WebSocketError::NotUtf8));
    }
    // Half a character in each of two frames is one.
    assert_eq!(
        read(Side::Server, b"\x01\x01\xc3\x80\x01\xa9", 99),
        Ok(vec![text("é")])
    );
}

#[test]
fn messages_have_a_limit_also_in_parts() {
    let too_long = Err(WebSocketError::TooLong { limit: 1000 });
    assert_eq!(read(Side::Server, b"\x81\x7e\x03\xe9", 99), too_long);
    let first = [&b"\x01\x7e\x03\xe8"[..], &[b'a'; 1000]].concat();
    assert_eq!(read(Side::Server, &first, 99), Ok(vec![]));
    let second = [&first[..], b"\x80\x01"].concat();
    assert_eq!(read(Side::Server, &second, 99), too_long);
}

#[test]
fn a_close_says_why_in_short() {
    let reason = "é".repeat(100);
    let mut out = BytesMut::new();
    write(&Message::Close(Some((1008, reason))), None, &mut out);
    let short = Message::Close(Some((1008, "é".repeat(61))));
    assert_eq!(read(Side::Server, &out, 99), Ok(vec![short]));
    out.clear();
    write(&Message::Close(None), None, &mut out);
    assert_eq!(read(Side::Server, &out, 99), Ok(vec![Message::Close(None)]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in prop::collection::vec(prop_oneof![
            "\\PC{0,300}".prop_map(Message::Text),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::Binary),
            prop::collection::vec(any::<u8>(), 0..125).prop_map(Message::Ping),
            prop::collection::vec(any::<u8>(), 0..125).prop_map(Message::Pong),
        ], 0..5),
        key in prop::option::of(any::<[u8; 4]>()), size in 1usize..50,
    ) {
        prop_assume!(messages.iter().all(|message| !matches!(message, Message::Text(text) if text.len() > 1000)));
        let mut raw = BytesMut::new();
        for message in &messages {
            write(message, key, &mut raw);
        }
        let from = if key.is_some() { Side::Client } else { Side::Server };
        prop_assert_eq!(read(from, &raw, size), Ok(messages));
    }

    #[test]
    fn nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..100), size in 1usize..50) {
        let _ = read(Side::Server, &raw, size);
        let _ = read(Side::Client, &raw, size);
    }
}
