//! What the provider got: every decrypted byte, every request, every datagram.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Shared with the provider's thread.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    requests: Vec<Seen>,
    bytes: Vec<u8>,
    datagrams: usize,
    connections: usize,
    off: bool,
}

/// One request as the provider's HTTP server understood it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The server name of the TLS handshake; none on plain HTTP.
    pub sni: Option<String>,
    /// Who was at the other end.
    pub peer: SocketAddr,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: http::Version,
    /// As in `POST`.
    pub method: http::Method,
    /// Of an absolute target, and of HTTP/2's `:scheme`.
    pub scheme: Option<String>,
    /// Path and query.
    pub target: String,
    /// As received.
    pub headers: HeaderMap,
    /// The body as received, before any content coding is undone.
    pub body: Bytes,
    /// The body with its content coding undone.
    pub plain: Bytes,
}

impl Seen {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.plain).unwrap_or_default()
    }
}

impl Record {
    /// All requests, oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        self.lock().requests.clone()
    }

    /// The newest request.
    pub fn last(&self) -> Option<Seen> {
        self.lock().requests.last().cloned()
    }

    /// Everything an eavesdropper behind TLS would have: raw bytes, and headers and bodies in clear, since HTTP/2
    /// compresses the one and content codings the other.
    pub fn everything(&self) -> Vec<u8> {
        let inner = self.lock();
        let mut all = inner.bytes.clone();
        for seen in &inner.requests {
            all.extend_from_slice(seen.scheme.as_deref().unwrap_or_default().as_bytes());
            all.extend_from_slice(seen.target.as_bytes());
            for (name, value) in &seen.headers {
                all.push(b'\n');
                all.extend_from_slice(name.as_str().as_bytes());
                all.extend_from_slice(b": ");
                all.extend_from_slice(value.as_bytes());
            }
            all.push(b'\n');
            all.extend_from_slice(&seen.plain);
            all.push(b'\n');
        }
        all
    }

    /// TCP connections accepted, TLS or not.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// UDP datagrams that came to port 443, which is where QUIC goes.
    pub fn datagrams(&self) -> usize {
        self.lock().datagrams
    }

    /// Forgets what was recorded.
    pub fn clear(&self) {
        let mut inner = self.lock();
        let off = inner.off;
        *inner = Inner {
            off,
            ..Inner::default()
        };
    }

    /// Stops recording, for a bench.
    pub fn turn_off(&self) {
        self.lock().off = true;
    }

    pub(super) fn connection(&self) {
        self.lock().connections += 1;
    }

    pub(super) fn datagram(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        inner.datagrams += 1;
        inner.bytes.extend_from_slice(bytes);
    }

    pub(super) fn request(&self, seen: Seen) {
        let mut inner = self.lock();
        if !inner.off {
            inner.requests.push(seen);
        }
    }

    fn read(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        if !inner.off {
            inner.bytes.extend_from_slice(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose every read is recorded.
pub(super) struct Tap<S> {
    stream: S,
    record: Record,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S, record: Record) -> Self {
        Self { stream, record }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let poll = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.record.read(&buf.filled()[before..]);
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
