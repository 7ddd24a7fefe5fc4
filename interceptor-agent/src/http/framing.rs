//! Where the body of an HTTP/1 request ends, for who passes it on unread (RFC 9112 §6). What two readers could take
//! differently is an error.

use std::ops::ControlFlow;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has as many bytes, often none.
    Sized(u64),
    /// In chunks; its last is empty.
    Chunked,
}

/// Two readers of it could see different ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl Body {
    /// What a head says of the body.
    ///
    /// # Errors
    /// Lengths that differ or are no numbers, a length beside a transfer coding, another coding than `chunked` alone, one of a client
    /// that knows none (RFC 9112 §6.1).
    pub fn of(request: &httparse::Request<'_, '_>) -> Result<Self, Ambiguous> {
        let mut framing = None;
        for header in &*request.headers {
            let value = header.value.trim_ascii();
            let said = if header.name.eq_ignore_ascii_case("content-length") {
                Self::Sized(length(value).ok_or(Ambiguous)?)
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                let is_chunked = value.eq_ignore_ascii_case(b"chunked");
                if framing.is_some() || !is_chunked || request.version == Some(0) {
                    return Err(Ambiguous);
                }
                Self::Chunked
            } else {
                continue;
            };
            if *framing.get_or_insert(said) != said {
                return Err(Ambiguous);
            }
        }
        Ok(framing.unwrap_or(Self::Sized(0)))
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// A body in chunks, followed to its end (RFC 9112 §7.1).
#[derive(Debug, Default)]
pub struct Chunks(State);

#[derive(Debug, Default, PartialEq)]
enum State {
    /// Before a chunk's size.
    #[default]
    Size,
    /// So many bytes of a chunk are to come.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// Before a line of the trailer section, or the empty one that ends it.
    Trailer,
    Over,
}

impl Chunks {
    /// Most bytes of a line.
    const LINE: usize = 16 * 1024;

    /// How many of `bytes` belong to the body, as far as that can be told; the rest is to be shown again, with more behind it.
    ///
    /// # Errors
    /// These are no chunks, or not for every reader.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Ambiguous> {
        let mut at = 0;
        while let ControlFlow::Continue(length) = self.step(&bytes[at..])? {
            at += length;
        }
        Ok(at)
    }

    /// Whether the body has ended.
    pub fn is_over(&self) -> bool {
        self.0 == State::Over
    }

    fn step(&mut self, bytes: &[u8]) -> Result<ControlFlow<(), usize>, Ambiguous> {
        let (length, next) = match self.0 {
            State::Over => return Ok(ControlFlow::Break(())),
            _ if bytes.is_empty() => return Ok(ControlFlow::Break(())),
            State::Data(left) => {
                let here = left.min(bytes.len() as u64);
                let next = match left - here {
                    0 => State::DataEnd,
                    left => State::Data(left),
                };
                (here as usize, next)
            }
            _ => {
                let Some(line) = line(bytes)? else {
                    return match bytes.len() < Self::LINE {
                        true => Ok(ControlFlow::Break(())),
                        false => Err(Ambiguous),
                    };
                };
                let next = match (&self.0, line) {
                    (State::DataEnd, []) => State::Size,
                    (State::DataEnd, _) => return Err(Ambiguous),
                    (State::Trailer, []) => State::Over,
                    (State::Trailer, _) => State::Trailer,
                    // No digits are no zero, whatever the parser says.
                    (_, [digit, ..]) if digit.is_ascii_hexdigit() => {
                        match httparse::parse_chunk_size(bytes) {
                            Ok(httparse::Status::Complete((end, size)))
                                if end == line.len() + 2 =>
                            {
                                match size {
                                    0 => State::Trailer,
                                    size => State::Data(size),
                                }
                            }
                            _ => return Err(Ambiguous),
                        }
                    }
                    _ => return Err(Ambiguous),
                };
                (line.len() + 2, next)
            }
        };
        self.0 = next;
        Ok(ControlFlow::Continue(length))
    }
}

/// The first line, without its end; none where that is not there yet.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Ambiguous> {
    match memchr::memchr2(b'\r', b'\n', bytes) {
        None => Ok(None),
        Some(at) => match &bytes[at..] {
            [b'\r', b'\n', ..] => Ok(Some(&bytes[..at])),
            [b'\r'] => Ok(None),
            _ => Err(Ambiguous),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(version: &str, head: &str) -> Result<Body, Ambiguous> {
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut request = httparse::Request::new(&mut headers);
        request
            .parse(format!("POST / {version}\r\n{head}\r\n").as_bytes())
            .map(|_| Body::of(&request))
            .expect("a head")
    }

    #[test]
    fn a_head_says_where_its_body_ends() {
        for (head, expected) in [
            ("", Ok(Body::Sized(0))),
            ("Content-Length: 7\r\n", Ok(Body::Sized(7))),
            (
                "content-length: 7\r\nContent-Length: 7 \r\n",
                Ok(Body::Sized(7)),
            ),
            ("Transfer-Encoding: Chunked\r\n", Ok(Body::Chunked)),
            ("Content-Length: 7\r\nContent-Length: 8\r\n", Err(Ambiguous)),
            ("Content-Length: 7, 7\r\n", Err(Ambiguous)),
            ("Content-Length: +7\r\n", Err(Ambiguous)),
            ("Content-Length:\r\n", Err(Ambiguous)),
            ("Content-Length: 99999999999999999999\r\n", Err(Ambiguous)),
            (
                "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
                Err(Ambiguous),
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
                Err(Ambiguous),
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Ambiguous)),
            ("Transfer-Encoding: identity\r\n", Err(Ambiguous)),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Err(Ambiguous),
            ),
        ] {
            assert_eq!(body("HTTP/1.1", head), expected, "{head}");
            let expected = match expected {
                Ok(Body::Chunked) => Err(Ambiguous),
                sized => sized,
            };
            assert_eq!(body("HTTP/1.0", head), expected, "{head}");
        }
    }

    const CHUNKS: &str = "5;a=b\r\nhello\r\n0A\r\n\r\n34567\r\n0\r\n0\r\nTrailer: x\r\n\r\n";

    #[test]
    fn chunks_end_where_they_end_however_they_come() {
        let text = format!("{CHUNKS}GET /");
        for size in 1..text.len() {
            let (mut chunks, mut kept, mut taken) = (Chunks::default(), Vec::new(), 0);
            for piece in text.as_bytes().chunks(size) {
                kept.extend_from_slice(piece);
                let length = chunks.advance(&kept).unwrap();
                kept.drain(..length);
                taken += length;
            }
            assert!(chunks.is_over());
            assert_eq!((taken, kept.as_slice()), (CHUNKS.len(), &b"GET /"[..]));
        }
    }

    #[test]
    fn what_two_readers_may_take_differently_is_no_chunk() {
        let long = format!("1;{}", "x".repeat(Chunks::LINE));
        for text in [
            "5\nhello",
            "5\r\nhelloX\r\n",
            "5\r\nhello\nX",
            "x\r\n",
            "\r\n",
            ";a=b\r\n",
            "-1\r\n",
            "fffffffffffffffff\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\n\rX",
            &long,
        ] {
            assert_eq!(
                Chunks::default().advance(text.as_bytes()),
                Err(Ambiguous),
                "{text:.20}"
            );
        }
    }
}
