//! Content codings (RFC 9110 §8.4): decoded to be read, encoded again only where something changed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::{bufread, write};
use http::{HeaderMap, header::CONTENT_ENCODING};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};

/// One content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952, members one after another.
    Gzip,
    /// `deflate`: RFC 1950, the zlib format.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, frames one after another.
    Zstd,
}

/// The codings of a message, in the order in which they were applied. Empty: as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings(Vec<Coding>);

/// Why a body could not be read as it is coded.
#[derive(Debug, thiserror::Error)]
pub enum CodingError {
    /// Nothing is known about the coding.
    #[error("a content coding that can't be read; use gzip, br, zstd, deflate or none")]
    Unknown,
    /// The bytes are not what the header says.
    #[error("the body is not what its Content-Encoding says")]
    Broken,
    /// The decoded body is longer than the limit.
    #[error("the decoded body is longer than {0} bytes")]
    TooLong(usize),
}

/// More than this many codings on top of one another are nobody's honest request.
const MOST: usize = 3;

impl Codings {
    /// The codings that the headers name.
    pub fn of(headers: &HeaderMap) -> Result<Self, CodingError> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let names = value.to_str().map_err(|_| CodingError::Unknown)?;
            for name in names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                match name.to_ascii_lowercase().as_str() {
                    "identity" => {}
                    "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                    "deflate" => codings.push(Coding::Deflate),
                    "br" => codings.push(Coding::Brotli),
                    "zstd" => codings.push(Coding::Zstd),
                    _ => return Err(CodingError::Unknown),
                }
            }
        }
        if codings.len() > MOST {
            Err(CodingError::Unknown)
        } else {
            Ok(Self(codings))
        }
    }

    /// Whether the message is as it is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decodes a whole body, to at most `limit` bytes at any layer. Says, too, whether the coded form has nothing beside
    /// it, like names, comments and frames to be skipped, which a decoder passes over.
    pub async fn decode(&self, body: &[u8], limit: usize) -> Result<(Vec<u8>, bool), CodingError> {
        let mut layers = self.0.iter().rev();
        let Some(outermost) = layers.next() else {
            return Ok((body.to_vec(), true));
        };
        let (mut plain, mut bare) = outermost.decode(body, limit).await?;
        for coding in layers {
            let inner = coding.decode(&plain, limit).await?;
            (plain, bare) = (inner.0, bare && inner.1);
        }
        Ok((plain, bare))
    }

    /// Encodes a whole body.
    pub async fn encode(&self, body: &[u8]) -> Result<Vec<u8>, CodingError> {
        let mut coded = body.to_vec();
        for coding in &self.0 {
            coded = coding.encode(&coded).await?;
        }
        Ok(coded)
    }

    /// Decodes a stream as it arrives.
    pub fn reader<'r>(
        &self,
        mut coded: Box<dyn AsyncBufRead + Send + Unpin + 'r>,
    ) -> Box<dyn AsyncRead + Send + Unpin + 'r> {
        for coding in self.0.iter().rev() {
            coded = Box::new(tokio::io::BufReader::new(coding.reader(coded, true)));
        }
        Box::new(coded)
    }
}

impl Coding {
    /// With `all`, of every member or frame; one that stops after the first would not see what follows, and the
    /// provider might.
    fn reader<'r>(
        self,
        coded: impl AsyncBufRead + Send + Unpin + 'r,
        all: bool,
    ) -> Box<dyn AsyncRead + Send + Unpin + 'r> {
        match self {
            Self::Gzip => {
                let mut decoder = bufread::GzipDecoder::new(coded);
                decoder.multiple_members(all);
                Box::new(decoder)
            }
            Self::Deflate => Box::new(ToTheEnd {
                decoder: bufread::ZlibDecoder::new(coded),
                source: bufread::ZlibDecoder::get_mut,
            }),
            Self::Brotli => Box::new(ToTheEnd {
                decoder: bufread::BrotliDecoder::new(coded),
                source: bufread::BrotliDecoder::get_mut,
            }),
            Self::Zstd => {
                let mut decoder = bufread::ZstdDecoder::new(coded);
                decoder.multiple_members(all);
                Box::new(decoder)
            }
        }
    }

    async fn decode(self, coded: &[u8], limit: usize) -> Result<(Vec<u8>, bool), CodingError> {
        let mut input = std::io::Cursor::new(coded);
        let mut plain = Vec::with_capacity(coded.len().saturating_mul(4).min(limit));
        // A first member that is the only one is told from others.
        let steps: &[bool] = match self {
            Self::Gzip => &[false, true],
            _ => &[true],
        };
        for &all in steps {
            let most = ((limit - plain.len()) as u64).saturating_add(1);
            self.reader(&mut input, all)
                .take(most)
                .read_to_end(&mut plain)
                .await
                .map_err(|_| CodingError::Broken)?;
            if plain.len() > limit {
                return Err(CodingError::TooLong(limit));
            }
            if input.position() == coded.len() as u64 {
                let bare = match self {
                    // Flags: no name, no comment, nothing extra (RFC 1952 §2.3.1).
                    Self::Gzip => !all && coded.get(3) == Some(&0),
                    Self::Deflate => true,
                    Self::Brotli | Self::Zstd => false,
                };
                return Ok((plain, bare));
            }
        }
        // Bytes behind the end are read by nobody here; the provider might read them.
        Err(CodingError::Broken)
    }

    async fn encode(self, plain: &[u8]) -> Result<Vec<u8>, CodingError> {
        macro_rules! through {
            ($encoder:expr) => {{
                let mut encoder = $encoder;
                encoder
                    .write_all(plain)
                    .await
                    .map_err(|_| CodingError::Broken)?;
                encoder.shutdown().await.map_err(|_| CodingError::Broken)?;
                encoder.into_inner()
            }};
        }
        let level = async_compression::Level::Fastest;
        Ok(match self {
            Self::Gzip => through!(write::GzipEncoder::with_quality(Vec::new(), level)),
            Self::Deflate => through!(write::ZlibEncoder::with_quality(Vec::new(), level)),
            Self::Brotli => through!(write::BrotliEncoder::with_quality(Vec::new(), level)),
            Self::Zstd => through!(write::ZstdEncoder::with_quality(Vec::new(), level)),
        })
    }
}

/// A decoder of what has an end of its own: its source has to end there too, and is read to its end, so that a connection
/// knows that its answer is over.
struct ToTheEnd<D, S> {
    decoder: D,
    source: fn(&mut D) -> &mut S,
}

impl<D: AsyncRead + Unpin, S: AsyncBufRead + Unpin> AsyncRead for ToTheEnd<D, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (room, before) = (out.remaining(), out.filled().len());
        ready!(Pin::new(&mut self.decoder).poll_read(context, out))?;
        if room == 0 || out.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let source = (this.source)(&mut this.decoder);
        let rest = ready!(Pin::new(source).poll_fill_buf(context))?;
        Poll::Ready(match rest {
            [] => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Bytes in pieces, and whether their end was seen.
    struct Source<'s> {
        pieces: Vec<&'s [u8]>,
        ended: &'s AtomicBool,
    }

    impl AsyncRead for Source<'_> {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            unreachable!("it is read by its buffer")
        }
    }

    impl AsyncBufRead for Source<'_> {
        fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
            let piece = self.pieces.first().copied().unwrap_or_default();
            self.ended.fetch_or(piece.is_empty(), Ordering::Relaxed);
            Poll::Ready(Ok(piece))
        }

        fn consume(mut self: Pin<&mut Self>, count: usize) {
            if let Some(piece) = self.pieces.first_mut() {
                *piece = &piece[count..];
            }
            self.pieces.retain(|piece| !piece.is_empty());
        }
    }

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_and_has_nothing_behind_it() {
        for names in ["gzip", "deflate", "br", "zstd", "br, gzip", "gzip, br"] {
            let codings = codings(names).unwrap();
            let coded = codings.encode(b"some text").await.unwrap();
            for (tail, expected) in [(&b""[..], Some("some text")), (b"more", None)] {
                let ended = AtomicBool::new(false);
                let mut pieces = vec![&coded[..], tail];
                pieces.retain(|piece| !piece.is_empty());
                let source = Source {
                    pieces,
                    ended: &ended,
                };
                let mut plain = String::new();
                let read = codings
                    .reader(Box::new(source))
                    .read_to_string(&mut plain)
                    .await;
                assert_eq!(read.ok().map(|_| &plain[..]), expected, "{names}");
                let whole = expected.is_some();
                assert_eq!(ended.load(Ordering::Relaxed), whole, "{names}");
            }
        }
    }

    fn codings(value: &'static str) -> Result<Codings, CodingError> {
        Codings::of(&HeaderMap::from_iter([(
            CONTENT_ENCODING,
            value.parse().unwrap(),
        )]))
    }

    #[tokio::test]
    async fn every_coding_round_trips_alone_and_stacked() {
        let body = b"{\"text\":\"same again, same again, same again\"}".repeat(100);
        for names in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "GZIP, br",
            "identity",
            "zstd,gzip,deflate",
        ] {
            let codings = codings(names).unwrap();
            let coded = codings.encode(&body).await.unwrap();
            assert_eq!(
                codings.decode(&coded, body.len()).await.unwrap().0,
                body,
                "{names}"
            );
            let limit = body.len() - 1;
            if !codings.is_empty() {
                assert!(
                    matches!(
                        codings.decode(&coded, limit).await,
                        Err(CodingError::TooLong(_))
                    ),
                    "{names}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_follows_the_first_member_is_read_too() {
        for name in ["gzip", "zstd"] {
            let codings = codings(name).unwrap();
            let mut coded = codings.encode(b"first").await.unwrap();
            coded.extend(codings.encode(b", second").await.unwrap());
            assert_eq!(
                codings.decode(&coded, 64).await.unwrap(),
                (b"first, second".to_vec(), false),
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn only_a_form_without_room_beside_the_body_is_bare() {
        for (names, expected) in [
            ("gzip", true),
            ("deflate", true),
            ("deflate, gzip", true),
            ("identity", true),
            ("br", false),
            ("zstd", false),
            ("zstd, gzip", false),
        ] {
            let codings = codings(names).unwrap();
            let coded = codings.encode(b"some text").await.unwrap();
            let (plain, bare) = codings.decode(&coded, 64).await.unwrap();
            assert_eq!((&plain[..], bare), (&b"some text"[..], expected), "{names}");
        }
        let gzip = codings("gzip").unwrap();
        let coded = gzip.encode(b"some text").await.unwrap();
        let mut named = coded.clone();
        named[3] = 1 << 4;
        named.splice(10..10, *b"a comment\0");
        let empty = gzip.encode(b"").await.unwrap();
        for coded in [
            &named,
            &[coded, empty.clone()].concat(),
            &[empty, named.clone()].concat(),
        ] {
            let decoded = gzip.decode(coded, 64).await.unwrap();
            assert_eq!(decoded, (b"some text".to_vec(), false));
        }
    }

    #[tokio::test]
    async fn broken_or_trailing_bytes_are_refused() {
        for name in ["gzip", "deflate", "br", "zstd"] {
            let codings = codings(name).unwrap();
            let coded = codings.encode(&b"some text ".repeat(50)).await.unwrap();
            let cut = &coded[..coded.len() / 2];
            assert!(codings.decode(cut, 1000).await.is_err(), "{name} cut");
            let mut more = coded.clone();
            more.extend(b"i-0123456789abcdef0");
            assert!(
                codings.decode(&more, 1000).await.is_err(),
                "{name} with a tail"
            );
            assert!(
                codings
                    .decode(b"no coded bytes at all", 1000)
                    .await
                    .is_err(),
                "{name} garbage"
            );
        }
    }

    #[test]
    fn unknown_codings_are_refused() {
        assert!(matches!(codings("compress"), Err(CodingError::Unknown)));
        assert!(matches!(
            codings("gzip,gzip,gzip,gzip"),
            Err(CodingError::Unknown)
        ));
    }
}
