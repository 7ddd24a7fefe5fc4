//! What the client gets: an answer of our own, the provider's as it is, or the provider's with values put back.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use tokio::io::AsyncRead;
use tokio_util::io::{StreamReader, poll_read_buf};

use super::coding::Codings;
use crate::{
    mask::response::{UnmaskError, Unmasker},
    upstream::UpstreamBody,
};

/// Says what tokens of other exchanges stand for.
pub type LookUp = Box<dyn Fn(Vec<String>) -> LookingUp + Send>;
/// Tokens with their values; one without a value is none.
pub type LookingUp =
    Pin<Box<dyn Future<Output = Result<Vec<(String, Option<String>)>, AnswerError>> + Send>>;

/// Any reason for which an answer breaks off. Its text names no content.
pub type AnswerError = Box<dyn std::error::Error + Send + Sync>;

/// Most bytes that are unmasked before others of this thread have their turn, where nothing comes of them.
const AT_ONCE: usize = 1 << 20;

/// A response body.
pub enum Answer {
    /// Made here.
    Own(Full<Bytes>),
    /// The provider's, byte for byte.
    Through(UpstreamBody),
    /// The provider's, with values put back as it streams.
    Unmasked(Box<Unmasking>),
    /// Any of these, with somebody to be told of its end.
    Counted(Box<Counted>),
}

/// A body on its way to a client, and how much of it has gone.
pub struct Counted {
    answer: Answer,
    bytes: u64,
    whole: bool,
    ended: Option<Box<dyn FnOnce(u64, bool) + Send>>,
}

/// The provider's body on its way through an [`Unmasker`].
pub struct Unmasking {
    source: UnsyncBoxBody<Bytes, AnswerError>,
    unmasker: Option<Unmasker>,
    /// For tokens that the unmasker does not know.
    look_up: Option<LookUp>,
    /// What is being looked up, and what is to be tried again then.
    waiting: Option<(LookingUp, Piece)>,
    out: BytesMut,
    trailers: Option<HeaderMap>,
    farewell: Option<Bytes>,
}

/// What an unmasker takes.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Answer {
    /// The body with values put back; decoded first, since values can't be put into coded bytes. Where policy ends it, it
    /// ends with `farewell`, or breaks off.
    pub fn unmasked(
        body: UpstreamBody,
        codings: &Codings,
        unmasker: Unmasker,
        look_up: Option<LookUp>,
        farewell: Option<Bytes>,
    ) -> Self {
        let source = if codings.is_empty() {
            body.map_err(AnswerError::from).boxed_unsync()
        } else {
            let coded = StreamReader::new(body.map_err(io::Error::other).into_data_stream());
            Decoded(codings.reader(Box::new(coded))).boxed_unsync()
        };
        Self::Unmasked(Box::new(Unmasking {
            source,
            unmasker: Some(unmasker),
            look_up,
            waiting: None,
            out: BytesMut::new(),
            trailers: None,
            farewell,
        }))
    }

    /// The same, which tells at its end how many bytes the client took, and whether that was all.
    pub fn counted(self, ended: impl FnOnce(u64, bool) + Send + 'static) -> Self {
        Self::Counted(Box::new(Counted {
            answer: self,
            bytes: 0,
            whole: false,
            ended: Some(Box::new(ended)),
        }))
    }

    /// The same, read to its end.
    ///
    /// # Errors
    /// What ends the body before its time.
    pub async fn held(self) -> Result<Self, AnswerError> {
        let whole = self.collect().await?.to_bytes();
        Ok(Self::Own(Full::new(whole)))
    }
}

/// A decoder as a body.
struct Decoded(Box<dyn AsyncRead + Send + Unpin>);

impl Body for Decoded {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut piece = BytesMut::with_capacity(8 * 1024);
        match poll_read_buf(Pin::new(&mut self.0), context, &mut piece) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(None),
            Poll::Ready(Ok(_)) => Poll::Ready(Some(Ok(Frame::data(piece.freeze())))),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error.into()))),
        }
    }
}

impl Unmasking {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let mut taken = 0;
        while let Some(unmasker) = &mut self.unmasker {
            if taken > AT_ONCE {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let piece = match &mut self.waiting {
                Some((looking_up, _)) => {
                    let Poll::Ready(found) = looking_up.as_mut().poll(context) else {
                        return Poll::Pending;
                    };
                    match found {
                        Ok(found) => unmasker.resolve(found),
                        Err(error) => {
                            self.unmasker = None;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                    self.waiting.take().map(|(_, piece)| piece)
                }
                None => None,
            };
            let piece = match piece {
                Some(piece) => piece,
                None => match Pin::new(&mut self.source).poll_frame(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Piece::Bytes(data),
                        // Most trailers of an answer belong to its coded form.
                        Err(frame) => {
                            let kept = frame.into_trailers().ok();
                            self.trailers = kept.filter(|_| unmasker.keeps_trailers());
                            continue;
                        }
                    },
                    Poll::Ready(None) => Piece::End,
                },
            };
            let bytes = match &piece {
                Piece::Bytes(bytes) => Some(&bytes[..]),
                Piece::End => None,
            };
            taken += bytes.map_or(0, <[u8]>::len);
            match (unmasker.attempt(bytes, &mut self.out), &self.look_up) {
                (Err(error), _) => {
                    self.unmasker = None;
                    let blocked = matches!(error, UnmaskError::Blocked { .. });
                    let farewell = self.farewell.take().filter(|_| blocked);
                    return Poll::Ready(Some(match farewell {
                        Some(farewell) => Ok(Frame::data(farewell)),
                        None => Err(error.into()),
                    }));
                }
                (Ok(missing), Some(look_up)) if !missing.is_empty() => {
                    self.waiting = Some((look_up(missing), piece));
                    continue;
                }
                (Ok(_), _) if matches!(piece, Piece::End) => self.unmasker = None,
                (Ok(_), _) => {}
            }
            if !self.out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(self.out.split().freeze()))));
            }
        }
        let trailers = self.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

impl Counted {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let polled = Pin::new(&mut self.answer).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.whole = true,
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Whoever sends it knows by its length that it is over, and may not ask for an end.
        let whole = self.whole || self.answer.is_end_stream();
        if let Some(ended) = self.ended.take() {
            ended(self.bytes, whole);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Through(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(AnswerError::from),
            Self::Unmasked(body) => body.poll(context),
            Self::Counted(body) => body.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Through(body) => body.is_end_stream(),
            Self::Unmasked(body) => {
                body.unmasker.is_none() && body.out.is_empty() && body.trailers.is_none()
            }
            Self::Counted(body) => body.answer.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Through(body) => body.size_hint(),
            Self::Unmasked(_) => SizeHint::default(),
            Self::Counted(body) => body.answer.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use super::*;
    use crate::{
        mask::{response::Framing, token::TokenMap},
        protocol::openai,
    };

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A body that is there already.
    struct There<I>(I);

    impl<I: Iterator<Item = Bytes> + Unpin> Body for There<I> {
        type Data = Bytes;
        type Error = AnswerError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
            Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn unmasking(pieces: impl Iterator<Item = Bytes> + Send + Unpin + 'static) -> Unmasking {
        let map = TokenMap::from_iter([("EC2_001".to_owned(), "i-0abc".to_owned())]);
        Unmasking {
            source: There(pieces).boxed_unsync(),
            unmasker: Some(Unmasker::new(&openai::CHAT, Framing::Json, Arc::new(map))),
            look_up: None,
            waiting: None,
            out: BytesMut::new(),
            trailers: None,
            farewell: None,
        }
    }

    #[test]
    fn others_have_their_turn_while_much_is_held() {
        const PIECE: usize = 64 << 10;
        let pieces = std::iter::repeat_n(Bytes::from(vec![b' '; PIECE]), 8 * AT_ONCE / PIECE);
        let mut answer = unmasking(pieces.chain([Bytes::from("\"EC2_001\"")]));
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut turns = 0;
        let frame = loop {
            match answer.poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(frame) => break frame.unwrap().unwrap(),
                Poll::Pending => turns += 1,
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), turns);
        };
        assert!((4..=8).contains(&turns), "{turns}");
        assert!(frame.data_ref().unwrap().ends_with(b"\"i-0abc\""));
    }
}
