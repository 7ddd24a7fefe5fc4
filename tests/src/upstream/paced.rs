//! A response body in pieces, each a frame of its own, slowly if wanted.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

/// Between two pieces of a slow stream.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Paced {
    pieces: std::vec::IntoIter<Bytes>,
    slow: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(pieces: Vec<Bytes>, slow: bool) -> Self {
        Self {
            pieces: pieces.into_iter(),
            slow,
            pause: None,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
        }
        this.pause = this.slow.then(|| Box::pin(sleep(PAUSE)));
        Poll::Ready(this.pieces.next().map(|piece| Ok(Frame::data(piece))))
    }
}
