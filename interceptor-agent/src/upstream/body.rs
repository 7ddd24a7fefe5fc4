//! Bodies towards and from the provider.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::pool::Keep;
use crate::mask::request::MaskedBytes;

/// A request body for the upstream client. It can be made only of what passed the masker, or of nothing.
#[derive(Debug, Default)]
pub struct MaskedBody(Option<Bytes>);

impl MaskedBody {
    /// No body.
    pub fn empty() -> Self {
        Self(None)
    }

    /// The bytes that will be sent.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Bytes::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<MaskedBytes> for MaskedBody {
    fn from(masked: MaskedBytes) -> Self {
        Self(Some(masked.into_bytes()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for MaskedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}

/// An answer's body; once it was read to its end, its connection goes back to the pool.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    keep: Option<Keep>,
    pause: Duration,
    /// Runs while the provider is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// Why an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BrokenAnswer {
    /// The connection failed.
    #[error("the provider broke the answer off: {0}")]
    Connection(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("the provider's answer stopped for {} s", .0.as_secs())]
    Stalled(Duration),
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, keep: Option<Keep>, pause: Duration) -> Self {
        let mut body = Self {
            incoming,
            keep,
            pause,
            deadline: None,
        };
        body.release_if_done();
        body
    }

    fn wait(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenAnswer>>> {
        let pause = self.pause;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        deadline
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(BrokenAnswer::Stalled(pause))))
    }

    fn release_if_done(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(keep) = self.keep.take()
        {
            keep.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BrokenAnswer;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
            return self.wait(context);
        };
        self.deadline = None;
        match &frame {
            None => {
                if let Some(keep) = self.keep.take() {
                    keep.release();
                }
            }
            Some(Ok(_)) => self.release_if_done(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BrokenAnswer::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
