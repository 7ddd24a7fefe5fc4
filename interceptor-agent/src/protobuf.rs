//! Messages of gRPC, and the fields of protobuf in them, read without descriptors.
//!
//! Strict: a tag that protobuf doesn't write, a group, or a length that doesn't fit is no message.

use std::ops::Range;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// One field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its number and wire type, and a length where it has one.
    pub head: Range<usize>,
    /// The field's number.
    pub number: u64,
    /// What it holds.
    pub value: Value,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, as its bits: a varint.
    Integer(u64),
    /// A number of eight or four bytes, as a double or a float.
    Real(f64),
    /// A string, bytes, a message, or numbers one behind another.
    Bytes(Range<usize>),
}

/// The fields of a message that is the whole of `raw`; `None`: it is none.
pub fn fields(raw: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let start = at;
        let tag = varint(raw, &mut at)?;
        let (number, wire) = (tag >> 3, tag & 7);
        if number == 0 || number >> 29 != 0 {
            return None;
        }
        let value = match wire {
            0 => Value::Integer(varint(raw, &mut at)?),
            1 => Value::Real(f64::from_le_bytes(*take(raw, &mut at)?)),
            5 => Value::Real(f32::from_le_bytes(*take(raw, &mut at)?).into()),
            2 => {
                let length = usize::try_from(varint(raw, &mut at)?).ok()?;
                let end = at.checked_add(length).filter(|end| *end <= raw.len())?;
                Value::Bytes(at..end)
            }
            // Groups, which nothing has any more.
            _ => return None,
        };
        let head = match &value {
            Value::Bytes(bytes) => start..bytes.start,
            _ => start..at,
        };
        if let Value::Bytes(bytes) = &value {
            at = bytes.end;
        }
        fields.push(Field {
            head,
            number,
            value,
        });
    }
    Some(fields)
}

/// A number in its only form: a reader that takes longer ones could see another.
fn varint(raw: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *raw.get(*at)?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

fn take<'r, const N: usize>(raw: &'r [u8], at: &mut usize) -> Option<&'r [u8; N]> {
    let bytes = raw.get(*at..)?.first_chunk()?;
    *at += N;
    Some(bytes)
}

/// UTF-8 without the bytes that only lengths and tags have.
pub fn as_text(raw: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw).ok()?;
    let plain = |c: char| !c.is_control() || "\t\r\n\x0c\x1b".contains(c) || c >= '\u{7f}';
    text.chars().all(plain).then_some(text)
}

/// Writes a field of bytes.
pub fn write(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(number << 3 | 2, out);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A message of gRPC that is not plain or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrpcError {
    /// The compressed flag is set, or is no flag.
    #[error("a compressed message of gRPC; ask for none by grpc-encoding: identity")]
    Compressed,
    /// More bytes than may be held.
    #[error("a message of more than {limit} bytes")]
    TooLong {
        /// Most bytes of a message.
        limit: usize,
    },
    /// It ends in the middle.
    #[error("a message of gRPC that is not whole")]
    Cut,
    /// Not protobuf, or nested too deep.
    #[error("a message of gRPC that is no protobuf")]
    NotProtobuf,
}

/// A flag and a length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// Takes the next whole message off the front of `raw`; `None` until more bytes come.
///
/// # Errors
/// See [`GrpcError`]; nothing behind it can be read.
pub fn next_message<'r>(raw: &mut &'r [u8], limit: usize) -> Result<Option<&'r [u8]>, GrpcError> {
    let Some(([flag, length @ ..], rest)) = raw.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if *flag != 0 {
        return Err(GrpcError::Compressed);
    }
    let length = u32::from_be_bytes(*length) as usize;
    if length > limit {
        return Err(GrpcError::TooLong { limit });
    }
    let Some((message, rest)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    *raw = rest;
    Ok(Some(message))
}

/// Writes a message with its prefix.
pub fn write_message(message: &[u8], out: &mut bytes::BytesMut) {
    out.extend_from_slice(&[0]);
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(raw: &[u8]) -> Option<Vec<(u64, Value)>> {
        let fields = fields(raw)?.into_iter();
        Some(fields.map(|field| (field.number, field.value)).collect())
    }

    #[test]
    fn the_examples_of_the_encoding_guide() {
        assert_eq!(
            values(b"\x08\x96\x01"),
            Some(vec![(1, Value::Integer(150))])
        );
        assert_eq!(
            values(b"\x12\x07testing"),
            Some(vec![(2, Value::Bytes(2..9))])
        );
        let rest = b"\x1a\x03\x08\x96\x01\x09\0\0\0\0\0\0\xf0\x3f\x0d\0\0\0\x40";
        let expected = vec![
            (3, Value::Bytes(2..5)),
            (1, Value::Real(1.0)),
            (1, Value::Real(2.0)),
        ];
        assert_eq!(values(rest), Some(expected));
        assert_eq!(values(b""), Some(vec![]));
    }

    #[test]
    fn what_protobuf_does_not_write_is_no_message() {
        for raw in [
            &b"\x00\x00"[..],
            b"\x08",
            b"\x08\x80",
            b"\x08\x80\x00",
            b"\x12\x05abc",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x0b\x0c",
            b"\x0f\x00",
            b"\x09\x00",
        ] {
            assert_eq!(values(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn messages_of_grpc_are_cut_by_their_prefix() {
        let mut buffer = bytes::BytesMut::new();
        write_message(b"one", &mut buffer);
        write_message(b"", &mut buffer);
        let mut rest = &buffer[..];
        assert_eq!(next_message(&mut rest, 3), Ok(Some(&b"one"[..])));
        assert_eq!(next_message(&mut rest, 3), Ok(Some(&b""[..])));
        assert_eq!((next_message(&mut rest, 3), rest), (Ok(None), &b""[..]));
        let mut cut = &buffer[..7];
        assert_eq!(next_message(&mut cut, 3), Ok(None));
        assert_eq!(
            next_message(&mut &buffer[..], 2),
            Err(GrpcError::TooLong { limit: 2 })
        );
        let mut compressed = buffer.to_vec();
        compressed[0] = 1;
        let mut compressed = &compressed[..];
        assert_eq!(next_message(&mut compressed, 9), Err(GrpcError::Compressed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in prop::collection::vec((1u64..1 << 29, prop::collection::vec(any::<u8>(), 0..200)), 0..5)) {
            let mut raw = Vec::new();
            for (number, bytes) in &parts {
                write(*number, bytes, &mut raw);
            }
            let read: Vec<_> = fields(&raw).unwrap().into_iter().map(|field| match field.value {
                Value::Bytes(range) => (field.number, raw[range].to_vec()),
                _ => (field.number, Vec::new()),
            }).collect();
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = fields(&raw);
        }
    }
}
