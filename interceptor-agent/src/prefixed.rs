//! A stream of which some bytes were already read: they are read again first.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Replays `prefix`, then reads from the stream. Writes go straight through.
#[derive(Debug)]
pub struct Prefixed<S> {
    prefix: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    /// A stream that reads as `prefix` followed by what `stream` still holds.
    pub fn new(prefix: impl Into<Bytes>, stream: S) -> Self {
        Self {
            prefix: prefix.into(),
            stream,
        }
    }

    /// The stream beneath.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// What has not been read again yet, and the stream.
    pub fn into_parts(self) -> (Bytes, S) {
        (self.prefix, self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let length = self.prefix.len().min(into.remaining());
        into.put_slice(&self.prefix[..length]);
        self.prefix.advance(length);
        if self.prefix.is_empty() {
            self.prefix = Bytes::new(); // free the buffer: the connection may live for hours
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn reads_the_prefix_and_then_the_stream_in_any_steps() {
        for step in 1..8 {
            let (mut far, near) = tokio::io::duplex(64);
            far.write_all(b" world").await.unwrap();
            far.shutdown().await.unwrap();
            let mut stream = Prefixed::new(&b"hello"[..], near);
            let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    read => all.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(all, b"hello world", "in steps of {step}");
        }
    }

    #[tokio::test]
    async fn writes_reach_the_stream_and_parts_come_back() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut stream = Prefixed::new(&b"abc"[..], near);
        let slices = [IoSlice::new(b"to "), IoSlice::new(b"far")];
        let written = stream.write_vectored(&slices).await.unwrap();
        let mut got = vec![0; written];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(got, b"to far"[..written]);
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        assert_eq!(stream.into_parts().0, b"bc"[..]);
    }
}
