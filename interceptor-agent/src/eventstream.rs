//! Messages of `application/vnd.amazon.eventstream` cut out of a byte stream, any chunking.
//!
//! A message is total length, headers' length, CRC of those two, headers, payload, CRC of all before; numbers are
//! big-endian, CRCs are CRC-32 (Smithy, "Amazon Event Stream"). One that needs no change is forwarded as it came.

use std::{ops::Range, sync::Arc};

use bytes::{BufMut as _, BytesMut};

/// Two lengths and their CRC.
const PRELUDE: usize = 12;
/// The CRC at the end.
const CRC: usize = 4;
/// The header type of a string, the only one that is written.
const STRING: u8 = 7;

/// Why a stream can't be read; the server is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventStreamError {
    /// A message of more bytes than may be held.
    #[error("the server sent an event of more than {limit} bytes; raise limits.response_body")]
    TooLong {
        /// Most bytes of a message.
        limit: usize,
    },
    /// Lengths that don't fit one another, or a CRC that is not that of the bytes.
    #[error("the server sent a broken event")]
    Broken,
}

/// Cuts a stream into messages; holds at most one unfinished message and the chunk that came last. Clones share it
/// until bytes are pushed.
#[derive(Clone)]
pub struct Messages {
    buffer: Arc<Vec<u8>>,
    /// Start of the first message that was not handed out.
    start: usize,
    limit: usize,
}

impl Messages {
    /// Messages of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Arc::default(),
            start: 0,
            limit,
        }
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, chunk: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffer);
        buffer.drain(..self.start);
        buffer.extend_from_slice(chunk);
        self.start = 0;
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// See [`EventStreamError`]; nothing behind it can be read.
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, EventStreamError> {
        let rest = &self.buffer[self.start..];
        let Some(prelude) = rest.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let [total, headers, crc] = [0, 4, 8].map(|at| number(&prelude[at..]));
        if crc != crc32fast::hash(&prelude[..8]) as usize || total < PRELUDE + headers + CRC {
            return Err(EventStreamError::Broken);
        }
        if total > self.limit {
            return Err(EventStreamError::TooLong { limit: self.limit });
        }
        if rest.len() < total {
            return Ok(None);
        }
        let start = self.start;
        self.start += total;
        let raw = &self.buffer[start..self.start];
        let end = total - CRC;
        if number(&raw[end..]) != crc32fast::hash(&raw[..end]) as usize {
            return Err(EventStreamError::Broken);
        }
        let message = Message {
            raw,
            headers: PRELUDE..PRELUDE + headers,
        };
        match message.headers().collect::<Option<Vec<_>>>() {
            Some(_) => Ok(Some(message)),
            None => Err(EventStreamError::Broken),
        }
    }

    /// What is left when the stream has ended: a message that is not whole, or nothing.
    pub fn rest(&mut self) -> &[u8] {
        let start = self.start;
        self.start = self.buffer.len();
        &self.buffer[start..]
    }
}

fn number(bytes: &[u8]) -> usize {
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    u32::from_be_bytes(bytes) as usize
}

/// One message: its raw bytes, all its headers.
#[derive(Clone)]
pub struct Message<'b> {
    raw: &'b [u8],
    headers: Range<usize>,
}

impl<'b> Message<'b> {
    /// The bytes as they came in.
    pub fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// What it carries.
    pub fn payload(&self) -> &'b [u8] {
        &self.raw[self.headers.end..self.raw.len() - CRC]
    }

    /// A header's string, the first of its name.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        let mut named = self.headers().flatten().filter(|header| header.0 == name);
        named.next().and_then(|header| header.1)
    }

    /// Writes this message with another payload.
    pub fn write_with(&self, payload: &[u8], out: &mut BytesMut) {
        write_raw(&self.raw[self.headers.clone()], payload, out);
    }

    /// Name, and value where that is a string. `None` where they can't be read.
    fn headers(&self) -> impl Iterator<Item = Option<(&'b str, Option<&'b str>)>> {
        let mut rest = &self.raw[self.headers.clone()];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let read = header(&mut rest);
            if read.is_none() {
                rest = &[];
            }
            Some(read)
        })
    }
}

fn header<'b>(rest: &mut &'b [u8]) -> Option<(&'b str, Option<&'b str>)> {
    let length = usize::from(*rest.split_off_first()?);
    let name = std::str::from_utf8(rest.split_off(..length)?).ok()?;
    let kind = *rest.split_off_first()?;
    let length = match kind {
        // true, false, byte, short, integer, long, bytes, string, timestamp, UUID
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        6 | STRING => usize::from(u16::from_be_bytes(rest.split_off(..2)?.try_into().ok()?)),
        9 => 16,
        _ => return None,
    };
    let value = rest.split_off(..length)?;
    match kind {
        STRING => Some((name, Some(std::str::from_utf8(value).ok()?))),
        _ => Some((name, None)),
    }
}

/// Writes a message whose headers are all strings, each of less than 64 KiB.
pub fn write(headers: &[(&str, &str)], payload: &[u8], out: &mut BytesMut) {
    let mut raw = Vec::new();
    for (name, value) in headers {
        raw.push(name.len() as u8);
        raw.extend_from_slice(name.as_bytes());
        raw.push(STRING);
        raw.extend_from_slice(&(value.len() as u16).to_be_bytes());
        raw.extend_from_slice(value.as_bytes());
    }
    write_raw(&raw, payload, out);
}

fn write_raw(headers: &[u8], payload: &[u8], out: &mut BytesMut) {
    let start = out.len();
    out.put_u32((PRELUDE + headers.len() + payload.len() + CRC) as u32);
    out.put_u32(headers.len() as u32);
    out.put_u32(crc32fast::hash(&out[start..]));
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.put_u32(crc32fast::hash(&out[start..]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vectors of Smithy's test suite: a message with a header and one of every type.
    const ONE_HEADER: &[u8] = b"\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1";
    const NO_HEADERS: &[u8] =
        b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36";

    /// The content type and the payload of each message.
    type Seen = Vec<(Option<String>, Vec<u8>)>;

    fn read(raw: &[u8], size: usize) -> Result<Seen, EventStreamError> {
        let mut messages = Messages::new(1 << 20);
        let mut seen = Vec::new();
        for chunk in raw.chunks(size.max(1)) {
            messages.push(chunk);
            while let Some(message) = messages.next_message()? {
                let kind = message.header("content-type").map(str::to_owned);
                seen.push((kind, message.payload().to_vec()));
            }
        }
        assert_eq!(messages.rest(), b"");
        Ok(seen)
    }

    #[test]
    fn known_messages_are_read_and_written() {
        let payload = b"{'foo':'bar'}".to_vec();
        let raw = [ONE_HEADER, NO_HEADERS].concat();
        let expected = vec![
            (Some("application/json".to_owned()), payload.clone()),
            (None, payload.clone()),
        ];
        for size in [1, 5, raw.len()] {
            assert_eq!(read(&raw, size).unwrap(), expected);
        }
        let mut out = BytesMut::new();
        write(&[("content-type", "application/json")], &payload, &mut out);
        write(&[], &payload, &mut out);
        assert_eq!(out, raw);
    }

    #[test]
    fn a_broken_message_is_an_error() {
        for at in 0..ONE_HEADER.len() {
            let mut raw = ONE_HEADER.to_vec();
            raw[at] ^= 1;
            raw.extend_from_slice(&[0; 64]);
            let mut messages = Messages::new(1 << 20);
            messages.push(&raw);
            assert_eq!(
                messages.next_message().err(),
                Some(EventStreamError::Broken),
                "{at}"
            );
        }
        let mut odd = BytesMut::new();
        write_raw(b"\x01x\x07\x00\x09short", b"", &mut odd);
        let mut short = BytesMut::new();
        short.put_u32(15);
        short.put_u32(0);
        short.put_u32(crc32fast::hash(&short));
        for raw in [odd, short] {
            let mut messages = Messages::new(1 << 20);
            messages.push(&raw);
            assert_eq!(
                messages.next_message().err(),
                Some(EventStreamError::Broken)
            );
        }
        let mut messages = Messages::new(ONE_HEADER.len() - 1);
        messages.push(&ONE_HEADER[..PRELUDE]);
        let limit = ONE_HEADER.len() - 1;
        assert_eq!(
            messages.next_message().err(),
            Some(EventStreamError::TooLong { limit })
        );
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut headers = Vec::new();
        for (kind, length) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 4),
            (5, 8),
            (8, 8),
            (9, 16),
        ] {
            headers.extend([1, b'h', kind]);
            headers.extend(vec![0xff; length]);
        }
        headers.extend(b"\x01h\x06\x00\x02\xff\xff\x03end\x07\x00\x01x");
        let mut raw = BytesMut::new();
        write_raw(&headers, b"p", &mut raw);
        let mut messages = Messages::new(1 << 20);
        messages.push(&raw);
        let message = messages.next_message().unwrap().unwrap();
        assert_eq!(
            (message.header("end"), message.header("h")),
            (Some("x"), None)
        );
        let mut again = BytesMut::new();
        message.write_with(b"p", &mut again);
        assert_eq!(again, raw);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5), size in 1usize..40) {
            let mut raw = BytesMut::new();
            for payload in &payloads {
                write(&[("content-type", "é")], payload, &mut raw);
            }
            let expected: Vec<_> = payloads.into_iter().map(|payload| (Some("é".to_owned()), payload)).collect();
            prop_assert_eq!(read(&raw, size).unwrap(), expected);
        }

        #[test]
        fn nothing_panics(raw in prop::collection::vec(any::<u8>(), 0..100), size in 1usize..40) {
            let mut messages = Messages::new(1 << 20);
            for chunk in raw.chunks(size) {
                messages.push(chunk);
                while let Ok(Some(_)) = messages.next_message() {}
            }
        }
    }
}
