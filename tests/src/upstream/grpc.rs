//! Gemini over gRPC: a text at `contents.parts.text` comes back as `candidates.content.parts.text`, whole or in messages of
//! five characters.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};

use super::answer::deltas;
use super::record::Seen;

const SERVICE: &str = "/google.ai.generativelanguage.v1beta.GenerativeService/";

pub(super) fn is_call(seen: &Seen) -> bool {
    seen.target.starts_with(SERVICE)
}

pub(super) fn answer(seen: &Seen) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let text = at(seen.plain.get(5..).unwrap_or_default(), &[2, 1, 2]);
    let said = format!(
        "You said: {}",
        String::from_utf8_lossy(text.unwrap_or_default())
    );
    let pieces = match seen.target.ends_with("/StreamGenerateContent") {
        true => deltas(&said).collect(),
        false => vec![said],
    };
    let mut body = Vec::new();
    for piece in pieces {
        let message = [2, 1, 1, 1]
            .iter()
            .fold(piece.into_bytes(), |inner, number| field(*number, &inner));
        body.push(0);
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
    }
    let trailers = async {
        let status = ("grpc-status".parse(), HeaderValue::from_static("0"));
        let status = status.0.map(|name: http::HeaderName| (name, status.1));
        Some(Ok(HeaderMap::from_iter(status)))
    };
    let body = Full::new(Bytes::from(body))
        .with_trailers(trailers)
        .boxed_unsync();
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, grpc);
    response
}

/// The first field on a way of numbers, all of them below 16.
fn at<'r>(mut raw: &'r [u8], path: &[u8]) -> Option<&'r [u8]> {
    for number in path {
        loop {
            let (tag, rest) = raw.split_first()?;
            let (length, rest) = varint(rest)?;
            let value = rest.get(..length)?;
            raw = &rest[length..];
            if *tag == number << 3 | 2 {
                raw = value;
                break;
            }
        }
    }
    Some(raw)
}

fn varint(raw: &[u8]) -> Option<(usize, &[u8])> {
    let end = raw.iter().position(|byte| byte & 0x80 == 0)?;
    let sum = |sum: usize, byte: &u8| sum << 7 | usize::from(byte & 0x7f);
    Some((raw[..=end].iter().rev().fold(0, sum), &raw[end + 1..]))
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
