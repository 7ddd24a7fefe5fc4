//! Sees the raw head of each HTTP/1.1 request, for what hyper doesn't do: to tell whether a request with
//! `Transfer-Encoding` had a `Content-Length` too (request smuggling, RFC 9112 §6.1) and how its fields' names were
//! written, and to answer a head that dribbles without closing connections that are merely unused.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::HeaderMap;
use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// A head longer than this is refused by the HTTP parser anyway.
const MAX_HEAD: usize = 64 * 1024;

/// The head being read, shared between the stream and the exchange.
#[derive(Clone, Debug, Default)]
pub struct HeadGuard(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// A head is arriving.
    Head(Vec<u8>),
    /// The head is complete, and nobody has asked for it yet.
    Seen(Seen),
    /// What follows is a body, or a pipelined head that is not seen.
    Past,
}

/// What a request's head says beyond its parsed form.
#[derive(Debug, Default)]
pub struct Seen {
    /// The names of its fields, each ended by a line break.
    names: String,
    ambiguous: bool,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl HeadGuard {
    /// Wraps the stream that requests are read from. A head that has begun has `patience` to be whole; then
    /// `farewell` is written and the stream ends.
    pub fn watch<S>(
        &self,
        stream: S,
        patience: Duration,
        farewell: impl FnOnce() -> Vec<u8> + Send + 'static,
    ) -> Watched<S> {
        Watched {
            stream,
            guard: self.clone(),
            patience,
            farewell: Some(Box::new(farewell)),
            deadline: None,
        }
    }

    /// Whether a head has begun and is not whole.
    fn is_partial(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*state, State::Head(head) if !head.is_empty())
    }

    /// The head of the request that was just parsed; `None` of one that came before the last one's body was read
    /// (pipelined), and of HTTP/2.
    pub fn take(&self) -> Option<Seen> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Past) {
            State::Seen(seen) => Some(seen),
            _ => None,
        }
    }

    /// The request's body was read: what comes next is a head.
    pub fn next(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    fn feed(&self, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Head(head) = &mut *state else {
            return;
        };
        let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
        // Nearly every head comes in one piece, with its body behind it: nothing is copied then.
        if head.is_empty()
            && let Some(end) = memmem::find(bytes, b"\r\n\r\n")
        {
            *state = State::Seen(Seen::of(&bytes[..end]));
            return;
        }
        let searched = head.len().saturating_sub(3);
        head.extend_from_slice(bytes);
        if let Some(end) = memmem::find(&head[searched..], b"\r\n\r\n") {
            *state = State::Seen(Seen::of(&head[..searched + end]));
        } else if head.len() > MAX_HEAD {
            *state = State::Past;
        }
    }
}

impl Seen {
    fn of(head: &[u8]) -> Self {
        let mut lines = head.split(|byte| *byte == b'\n');
        if lines.next().is_none_or(|line| line.trim_ascii().is_empty()) {
            return Self::of_another();
        }
        let mut seen = Self {
            names: String::with_capacity(head.len()),
            ambiguous: false,
        };
        let (mut length, mut transfer) = (false, false);
        for line in lines {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name.trim_ascii());
            length |= name.eq_ignore_ascii_case("content-length");
            transfer |= name.eq_ignore_ascii_case("transfer-encoding");
            seen.names.push_str(&name);
            seen.names.push('\n');
        }
        seen.ambiguous = length && transfer;
        seen
    }

    /// What begins with an empty line may be the end of a head that began in what was read before it, and anything behind.
    fn of_another() -> Self {
        Self {
            // No field has this name.
            names: "\n".to_owned(),
            ambiguous: true,
        }
    }

    /// Whether it has both `Content-Length` and `Transfer-Encoding`, for all that is known.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The names of these fields as they were written, one a line; `None` where they are not those that were seen, name by
    /// name: the head began in what was read before it, or the parser has left a field out.
    pub fn names_of(self, fields: &HeaderMap) -> Option<String> {
        let same = |seen: &[&str], parsed: &[&str]| {
            let mut pairs = seen.iter().zip(parsed);
            seen.len() == parsed.len() && pairs.all(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        let mut seen: Vec<_> = self.names.lines().collect();
        let mut parsed: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        // The parser keeps their order, but for names that come again.
        if !same(&seen, &parsed) {
            let lower = |name: &&str| name.to_ascii_lowercase();
            seen.sort_by_cached_key(lower);
            parsed.sort_unstable();
            if !same(&seen, &parsed) {
                return None;
            }
        }
        Some(self.names)
    }
}

/// A stream whose reads the guard sees.
pub struct Watched<S> {
    stream: S,
    guard: HeadGuard,
    patience: Duration,
    farewell: Option<Box<dyn FnOnce() -> Vec<u8> + Send>>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// The stream, unwatched from here on.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        if polled.is_pending() {
            return self.wait(context);
        }
        self.guard.feed(&into.filled()[before..]);
        if !self.guard.is_partial() {
            self.deadline = None;
        } else if self.deadline.is_none() {
            self.deadline = Some(Box::pin(tokio::time::sleep(self.patience)));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = &mut self.deadline else {
            return Poll::Pending;
        };
        if deadline.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if let Some(farewell) = self.farewell.take() {
            // One try: between two answers nothing else waits to be written, and the connection ends either way.
            let _ = Pin::new(&mut self.stream).poll_write(context, &farewell());
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ambiguous(head: &str, cut: usize) -> bool {
        let guard = HeadGuard::default();
        let (a, b) = head.as_bytes().split_at(cut);
        guard.feed(a);
        guard.feed(b);
        guard.take().is_none_or(|seen| seen.is_ambiguous())
    }

    #[test]
    fn both_lengths_in_either_order_and_any_cut() {
        let both = [
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nhost: x\r\nCONTENT-LENGTH: 4\r\n\r\n",
        ];
        let one = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: Content-Length\r\n\r\nContent-Length: 4\r\n\r\n";
        for head in both {
            for cut in 0..head.len() {
                assert!(ambiguous(head, cut), "{head} cut at {cut}");
            }
        }
        for cut in 0..one.len() {
            assert!(!ambiguous(one, cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_head_is_seen_once() {
        let guard = HeadGuard::default();
        guard.feed(b"GET / HTTP/1.1\r\n\r\n");
        assert!(guard.take().is_some());
        assert!(guard.take().is_none());
        guard.next();
        assert!(guard.take().is_none());
    }

    #[test]
    fn names_are_those_of_the_same_head() {
        let fields = |names: &[&'static str]| -> HeaderMap {
            let field = |name: &&'static str| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static("1"))
            };
            names.iter().map(field).collect()
        };
        let head = "POST / HTTP/1.1\r\nHost: x\r\nX-Aa: 1\r\nx-AA: 2\r\n\r\n";
        for cut in 0..head.len() {
            let guard = HeadGuard::default();
            let (a, b) = head.as_bytes().split_at(cut);
            guard.feed(a);
            guard.feed(b);
            let seen = || Seen::of(&head.as_bytes()[..head.len() - 4]);
            assert_eq!(guard.take().unwrap().names, seen().names, "cut at {cut}");
            for same in [["x-aa", "host", "x-aa"], ["host", "x-aa", "x-aa"]] {
                let names = seen().names_of(&fields(&same));
                assert_eq!(names.unwrap(), "Host\nX-Aa\nx-AA\n");
            }
            for others in [
                &["host", "x-aa"][..],
                &["host", "x-aa", "x-ab"],
                &["host", "host", "x-aa"],
            ] {
                assert_eq!(seen().names_of(&fields(others)), None, "{others:?}");
            }
        }
    }

    #[test]
    fn behind_a_head_that_was_read_before_nothing_is_known() {
        let guard = HeadGuard::default();
        // All but the last line break of the second came with the first, for the parser alone.
        guard.feed(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX-AA: 1\r\n");
        assert!(guard.take().is_some());
        guard.next();
        guard.feed(b"\r\nhost: x\r\nx-aa: 1\r\n\r\n");
        let seen = guard.take().unwrap();
        assert!(seen.is_ambiguous());
        let mut fields = HeaderMap::new();
        fields.insert("host", http::HeaderValue::from_static("x"));
        fields.insert("x-aa", http::HeaderValue::from_static("1"));
        assert_eq!(seen.names_of(&fields), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_dribbles_is_answered_and_silence_is_not() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let patience = Duration::from_secs(15);
        let (mut client, server) = tokio::io::duplex(1024);
        let mut watched = HeadGuard::default().watch(server, patience, || b"too slow".to_vec());
        let mut buffer = [0; 64];
        let unused = tokio::time::timeout(patience * 10, watched.read(&mut buffer));
        assert!(
            unused.await.is_err(),
            "an unused connection is nobody's fault"
        );
        client.write_all(b"GET / HT").await.unwrap();
        assert_eq!(watched.read(&mut buffer).await.unwrap(), 8);
        let error = watched.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(watched);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "too slow");
    }
}
