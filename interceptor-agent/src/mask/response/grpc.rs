//! A stream of gRPC's messages: values are put back into every text, and one that goes on from message to message is held
//! where it may end in a token.

use std::sync::Arc;

use bytes::BytesMut;

use super::super::unmask::{Escaping, Pieces, Tokens};
use crate::{
    protobuf::{self, GrpcError, MAX_DEPTH, Value},
    protocol::Endpoint,
};

#[derive(Clone)]
pub(super) struct GrpcStream {
    buffer: Arc<Vec<u8>>,
    /// Start of the first message that was not handed out.
    start: usize,
    limit: usize,
    text: GrowingText,
}

#[derive(Clone)]
struct GrowingText {
    path: &'static [u64],
    pieces: Pieces,
    /// Whether the message at hand has it once, so that it is known which one goes on.
    once: bool,
}

impl GrpcStream {
    pub(super) fn new(endpoint: &'static Endpoint, limit: usize) -> Self {
        Self {
            buffer: Arc::default(),
            start: 0,
            limit,
            text: GrowingText {
                path: endpoint.growing_text(),
                pieces: Pieces::new(Escaping::None),
                once: false,
            },
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let buffer = Arc::make_mut(&mut self.buffer);
        buffer.drain(..self.start);
        buffer.extend_from_slice(chunk);
        self.start = 0;
    }

    pub(super) fn look(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), GrpcError> {
        let mut rest = &self.buffer[self.start..];
        while let Some(message) = protobuf::next_message(&mut rest, self.limit)? {
            self.text.once = count(message, self.text.path) == 1;
            if !self.text.once {
                self.text.flush(tokens, out);
            }
            let unmasked = self.text.message(tokens, message, Some(0), 0);
            protobuf::write_message(unmasked.as_deref().unwrap_or(message), out);
        }
        self.start = self.buffer.len() - rest.len();
        Ok(())
    }

    pub(super) fn finish(&mut self, tokens: &Tokens, out: &mut BytesMut) -> Result<(), GrpcError> {
        self.text.flush(tokens, out);
        match self.start == self.buffer.len() {
            true => Ok(()),
            false => Err(GrpcError::Cut),
        }
    }
}

/// How often a field of this path is there.
fn count(raw: &[u8], path: &[u64]) -> usize {
    let Some((first, rest)) = path.split_first() else {
        return 0;
    };
    let fields = protobuf::fields(raw).unwrap_or_default().into_iter();
    let found = fields.filter(|field| field.number == *first);
    found
        .map(|field| match field.value {
            Value::Bytes(_) if rest.is_empty() => 1,
            Value::Bytes(range) => count(&raw[range], rest),
            _ => 0,
        })
        .sum()
}

impl GrowingText {
    /// `on_path`: how many fields of the path led here. None if nothing changes.
    fn message(
        &mut self,
        tokens: &Tokens,
        raw: &[u8],
        on_path: Option<usize>,
        depth: usize,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut copied = 0;
        for field in protobuf::fields(raw)? {
            let Value::Bytes(range) = field.value else {
                continue;
            };
            let on_path = on_path.filter(|at| self.path.get(*at) == Some(&field.number));
            let end = range.end;
            let unmasked = self.bytes(tokens, &raw[range], on_path.map(|at| at + 1), depth);
            if let Some(unmasked) = unmasked {
                out.extend_from_slice(&raw[copied..field.head.start]);
                protobuf::write(field.number, &unmasked, &mut out);
                copied = end;
            }
        }
        if copied == 0 {
            return None;
        }
        out.extend_from_slice(&raw[copied..]);
        Some(out)
    }

    fn bytes(
        &mut self,
        tokens: &Tokens,
        raw: &[u8],
        on_path: Option<usize>,
        depth: usize,
    ) -> Option<Vec<u8>> {
        let changed = |bytes: &[u8]| (bytes != raw).then(|| bytes.to_vec());
        if on_path == Some(self.path.len()) && self.once {
            return changed(&self.pieces.push(tokens, raw));
        }
        let inner = match depth < MAX_DEPTH {
            true => self.message(tokens, raw, on_path, depth + 1),
            false => None,
        };
        // What the growing text stands in is no text, and has a length to keep.
        if on_path.is_some_and(|at| at < self.path.len()) {
            return inner;
        }
        let as_text = || protobuf::as_text(raw).map(str::as_bytes);
        inner.or_else(|| changed(&tokens.unmask(as_text()?, Escaping::None)))
    }

    /// Writes what is held in a message of our own.
    fn flush(&mut self, tokens: &Tokens, out: &mut BytesMut) {
        if !self.pieces.is_holding() {
            return;
        }
        let rest = self.pieces.finish(tokens, b"").into_owned();
        let message = self.path.iter().rev().fold(rest, |inner, number| {
            let mut outer = Vec::new();
            protobuf::write(*number, &inner, &mut outer);
            outer
        });
        protobuf::write_message(&message, out);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        mask::{
            response::{Framing, Unmasker},
            token::TokenMap,
        },
        protocol::grpc::{GEMINI, VERTEX},
    };

    const ID: &str = "i-0123456789abcdef0";

    fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        protobuf::write(number, bytes.as_ref(), &mut out);
        out
    }

    fn tokens() -> Arc<TokenMap> {
        Arc::new(
            [("EC2_001".to_owned(), ID.to_owned())]
                .into_iter()
                .collect(),
        )
    }

    /// A chunk that says `text` by its only candidate.
    fn chunk(endpoint: &Endpoint, text: &str) -> Vec<u8> {
        let path = endpoint.growing_text().iter().rev();
        path.fold(text.as_bytes().to_vec(), |inner, number| {
            field(*number, inner)
        })
    }

    fn unmasked(endpoint: &'static Endpoint, messages: &[Vec<u8>], size: usize) -> Vec<Vec<u8>> {
        let mut raw = BytesMut::new();
        for message in messages {
            protobuf::write_message(message, &mut raw);
        }
        let framing = Framing::of(endpoint, "application/grpc+proto");
        let mut unmasker = Unmasker::new(endpoint, framing, tokens());
        let mut out = BytesMut::new();
        for piece in raw.chunks(size) {
            unmasker.push(piece, &mut out).unwrap();
        }
        unmasker.finish(&mut out).unwrap();
        let mut seen = Vec::new();
        let mut rest = &out[..];
        while let Some(message) = protobuf::next_message(&mut rest, 1 << 20).unwrap() {
            seen.push(message.to_vec());
        }
        assert!(rest.is_empty());
        seen
    }

    #[test]
    fn a_text_goes_on_over_messages() {
        for endpoint in [&GEMINI, &VERTEX] {
            let chunk = |text: &str| chunk(endpoint, text);
            let end = field(9, "model EC2_001 E");
            let messages = [chunk("at EC2_0"), chunk("01, EC2"), chunk("_001"), end];
            let expected = [
                chunk("at "),
                chunk(&format!("{ID}, ")),
                chunk(""),
                chunk(ID),
                field(9, format!("model {ID} E")),
            ];
            for size in [1, 7, 1000] {
                assert_eq!(unmasked(endpoint, &messages, size), expected);
            }
        }
    }

    #[test]
    fn what_is_held_goes_out_when_the_stream_ends() {
        let got = unmasked(&GEMINI, &[chunk(&GEMINI, "EC2_001")], 3);
        assert_eq!(got, [chunk(&GEMINI, ""), chunk(&GEMINI, ID)]);
    }

    #[test]
    fn several_candidates_are_each_unmasked_whole() {
        let both = [chunk(&GEMINI, "a EC2_001"), chunk(&GEMINI, "b EC2")].concat();
        let expected = [chunk(&GEMINI, &format!("a {ID}")), chunk(&GEMINI, "b EC2")].concat();
        assert_eq!(unmasked(&GEMINI, &[both], 9), [expected]);
    }

    #[test]
    fn a_text_that_does_not_change_leaves_its_message_as_it_is() {
        for endpoint in [&GEMINI, &VERTEX] {
            // Lengths that are signs, and such as are none.
            for length in 8..140 {
                let goes_on = format!("{:x<length$}", "EC2_001 ");
                let messages = [chunk(endpoint, "My"), chunk(endpoint, &goes_on)];
                assert_eq!(unmasked(endpoint, &messages, 1000), messages, "{length}");
            }
        }
    }

    #[test]
    fn a_text_that_could_be_a_message_is_one_text() {
        assert!(protobuf::fields(b"EC2_001").is_some());
        let message = field(9, "EC2_001");
        assert_eq!(unmasked(&GEMINI, &[message], 9), [field(9, ID)]);
    }

    #[test]
    fn bytes_and_numbers_stay() {
        let message = [
            field(5, b"\xffEC2_001"),
            b"\x08\x96\x01".to_vec(),
            field(6, "plain"),
        ]
        .concat();
        assert_eq!(
            unmasked(&GEMINI, std::slice::from_ref(&message), 4),
            [message]
        );
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_unmasked_text(text in "[E C2_01x]{0,40}", cut in 1usize..6, size in 1usize..50) {
            let pieces = text.as_bytes().chunks(cut).map(|piece| chunk(&GEMINI, std::str::from_utf8(piece).unwrap()));
            let got = unmasked(&GEMINI, &pieces.collect::<Vec<_>>(), size);
            let said: Vec<u8> = got.iter().flat_map(|message| {
                (0..4).fold(message.clone(), |outer, _| match &protobuf::fields(&outer).unwrap()[0].value {
                    Value::Bytes(range) => outer[range.clone()].to_vec(),
                    _ => Vec::new(),
                })
            }).collect();
            let whole = Tokens::new(tokens()).unmask(text.as_bytes(), Escaping::None).into_owned();
            prop_assert_eq!(said, whole);
        }
    }
}
