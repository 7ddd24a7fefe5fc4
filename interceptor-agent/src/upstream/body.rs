//! Bodies towards and from the provider.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

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
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// An answer's body; once it was read to its end, its connection goes back to the pool.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    keep: Option<Keep>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, keep: Option<Keep>) -> Self {
        let mut body = Self { incoming, keep };
        body.release_if_done();
        body
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
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match &polled {
            Poll::Ready(None) => {
                if let Some(keep) = self.keep.take() {
                    keep.release();
                }
            }
            Poll::Ready(Some(Ok(_))) => self.release_if_done(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
