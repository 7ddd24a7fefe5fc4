//! Idle connections, by thread and target. An HTTP/1.1 connection is lent to one exchange; an HTTP/2 one is shared.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};

use super::{MaskedBody, Target};
use crate::steering::netns::Netns;

/// Idle HTTP/1.1 connections kept a target.
const PER_TARGET: usize = 64;

/// The sending half of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<MaskedBody>),
    Http2(http2::SendRequest<MaskedBody>),
}

impl Sender {
    pub(super) async fn send(
        &mut self,
        request: Request<MaskedBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<MaskedBody>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(for_http1(request)).await,
            Self::Http2(sender) => sender.try_send_request(for_http2(request)).await,
        }
    }

    /// Whether the connection can take another request; waits for one that is just finishing.
    async fn ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

/// HTTP/1.1 has the host in a header and only the path in the request line.
fn for_http1(mut request: Request<MaskedBody>) -> Request<MaskedBody> {
    *request.version_mut() = http::Version::HTTP_11;
    if let Some(authority) = request.uri().authority() {
        if !request.headers().contains_key(http::header::HOST)
            && let Ok(host) = authority.as_str().parse()
        {
            request.headers_mut().insert(http::header::HOST, host);
        }
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(http::Uri::default, http::Uri::from);
    }
    request
}

/// HTTP/2 has the host in `:authority` and no `Host`; `:scheme` is ours to say.
fn for_http2(mut request: Request<MaskedBody>) -> Request<MaskedBody> {
    *request.version_mut() = http::Version::HTTP_2;
    let host = request.headers_mut().remove(http::header::HOST);
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    if parts.authority.is_none() {
        parts.authority = host.and_then(|host| http::uri::Authority::from_maybe_shared(host).ok());
    }
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// An unused connection, and since when.
type Idle = (http1::SendRequest<MaskedBody>, Instant);

/// A connection is used on the thread that drives it: an exchange never waits for another thread to wake up.
type Key = (ThreadId, Target);

/// The pool. Taking prefers the connection used last, so that unused ones age out.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Duration,
    http1: Mutex<HashMap<Key, Vec<Idle>>>,
    http2: Mutex<HashMap<Key, http2::SendRequest<MaskedBody>>>,
}

impl Pool {
    /// Connections unused for `idle` are not used again.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            http1: Mutex::default(),
            http2: Mutex::default(),
        }
    }

    pub(super) async fn take(&self, target: &Target) -> Option<Sender> {
        while let Some(mut sender) = self.candidate(target) {
            if sender.ready().await {
                return Some(sender);
            }
        }
        None
    }

    fn candidate(&self, target: &Target) -> Option<Sender> {
        let key = here(target);
        if target.http2 {
            let mut shared = lock(&self.http2);
            match shared.get(&key) {
                Some(sender) if !sender.is_closed() => return Some(Sender::Http2(sender.clone())),
                Some(_) => drop(shared.remove(&key)),
                None => {}
            }
        }
        let mut idle = lock(&self.http1);
        let senders = idle.get_mut(&key)?;
        while let Some((sender, since)) = senders.pop() {
            if since.elapsed() < self.idle && !sender.is_closed() {
                return Some(Sender::Http1(sender));
            }
        }
        idle.remove(&key);
        None
    }

    /// Shares an HTTP/2 connection at once; an HTTP/1.1 one comes back when its answer has been read.
    pub(super) fn keep(self: Arc<Self>, target: &Target, sender: Sender) -> Option<Keep> {
        match sender {
            Sender::Http1(sender) => Some(Keep {
                pool: self,
                key: here(target),
                sender,
            }),
            Sender::Http2(sender) => {
                lock(&self.http2).insert(here(target), sender);
                None
            }
        }
    }

    fn put(&self, key: Key, sender: http1::SendRequest<MaskedBody>) {
        let mut idle = lock(&self.http1);
        let senders = idle.entry(key).or_default();
        if senders.len() < PER_TARGET && !sender.is_closed() {
            senders.push((sender, Instant::now()));
        }
    }

    /// Closes the idle connections that were made in a network namespace.
    pub(super) fn forget(&self, netns: &Netns) {
        lock(&self.http1).retain(|(_, target), _| *target.netns != *netns);
        lock(&self.http2).retain(|(_, target), _| *target.netns != *netns);
    }

    /// Closes what has been idle too long; called now and then.
    pub(super) fn sweep(&self) {
        lock(&self.http1).retain(|_, senders| {
            senders.retain(|(sender, since)| since.elapsed() < self.idle && !sender.is_closed());
            !senders.is_empty()
        });
        lock(&self.http2).retain(|_, sender| !sender.is_closed());
    }
}

/// A lent HTTP/1.1 connection. Dropped without [`Keep::release`], it is closed: its answer was not read to the end.
#[derive(Debug)]
pub struct Keep {
    pool: Arc<Pool>,
    key: Key,
    sender: http1::SendRequest<MaskedBody>,
}

impl Keep {
    pub(super) fn release(self) {
        self.pool.put(self.key, self.sender);
    }
}

fn here(target: &Target) -> Key {
    (thread::current().id(), target.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
