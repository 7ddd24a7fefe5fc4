//! Connections, by thread and target. An HTTP/1.1 one is lent to one exchange; an HTTP/2 one is shared by as many as have a
//! stream on it at once.

use std::{
    collections::HashMap,
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::BufReader, net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{MaskedBody, Target};
use crate::steering::netns::Netns;

/// Idle HTTP/1.1 connections kept a target.
const PER_TARGET: usize = 64;

/// Most exchanges that share an HTTP/2 connection, fewer where the provider says so: on one that is full, the next would
/// wait behind whole answers.
const STREAMS: usize = 32;

/// How long a connection is waited for that is just finishing.
const FINISHING: Duration = Duration::from_secs(1);

/// The sending half of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<MaskedBody>),
    /// With a place on it.
    Http2(http2::SendRequest<MaskedBody>, Place),
}

/// A place on a shared connection, taken while this is held.
type Place = Arc<()>;

impl Sender {
    pub(super) async fn send(
        &mut self,
        request: Request<MaskedBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<MaskedBody>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(for_http1(request)).await,
            Self::Http2(sender, _) => sender.try_send_request(for_http2(request)).await,
        }
    }

    /// Whether the connection can take another request; waits for one that is just finishing.
    async fn ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender, _) => sender.ready().await.is_ok(),
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

/// What drives an HTTP/2 connection, and is told what its provider allows. Nothing once it has ended: as long as it is
/// there, requests are taken that nobody sends.
pub(super) type Connection = Arc<
    Mutex<
        Option<
            http2::Connection<TokioIo<TlsStream<BufReader<TcpStream>>>, MaskedBody, TokioExecutor>,
        >,
    >,
>;

/// Drives a connection to its end.
pub(super) async fn drive(connection: Connection) {
    let ended = poll_fn(|context| match &mut *lock(&connection) {
        Some(connection) => Pin::new(connection).poll(context),
        None => Poll::Ready(Ok(())),
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection to a provider broke");
    }
    drop(lock(&connection).take());
}

/// A connection that exchanges share.
#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<MaskedBody>,
    connection: Connection,
    /// Ours, of which every place is a clone.
    places: Place,
    /// When it was last seen in use.
    used: Instant,
}

impl Shared {
    fn has_room(&self) -> bool {
        let connection = lock(&self.connection);
        let allowed = connection
            .as_ref()
            .map(http2::Connection::current_max_send_streams);
        self.places_taken() < allowed.unwrap_or_default().min(STREAMS)
    }

    fn places_taken(&self) -> usize {
        Arc::strong_count(&self.places) - 1
    }

    fn lend(&mut self) -> Sender {
        self.used = Instant::now();
        Sender::Http2(self.sender.clone(), Arc::clone(&self.places))
    }

    /// Whether it is to be kept.
    fn is_good(&mut self, idle: Duration) -> bool {
        if self.places_taken() > 0 {
            self.used = Instant::now();
        }
        !self.sender.is_closed() && self.used.elapsed() < idle
    }
}

/// A connection is used on the thread that drives it: an exchange never waits for another thread to wake up.
type Key = (ThreadId, Target);

/// The pool. Taking prefers the HTTP/1.1 connection used last and the oldest HTTP/2 one, so that others age out.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Duration,
    http1: Mutex<HashMap<Key, Vec<Idle>>>,
    http2: Mutex<HashMap<Key, Vec<Shared>>>,
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

    /// None where there is none that is ready soon.
    pub(super) async fn take(&self, target: &Target) -> Option<Sender> {
        while let Some(mut sender) = self.candidate(target) {
            if timeout(FINISHING, sender.ready()).await.ok()? {
                return Some(sender);
            }
        }
        None
    }

    fn candidate(&self, target: &Target) -> Option<Sender> {
        let key = here(target);
        if let Some(connections) = lock(&self.http2).get_mut(&key) {
            connections.retain_mut(|connection| connection.is_good(self.idle));
            let with_room = connections.iter_mut().find(|one| one.has_room());
            if let Some(connection) = with_room {
                return Some(connection.lend());
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

    /// Shares a new HTTP/2 connection, and takes the first place on it.
    pub(super) fn share(
        &self,
        target: &Target,
        sender: http2::SendRequest<MaskedBody>,
        connection: Connection,
    ) -> Sender {
        let mut connection = Shared {
            sender,
            connection,
            places: Arc::default(),
            used: Instant::now(),
        };
        let sender = connection.lend();
        let mut shared = lock(&self.http2);
        shared.entry(here(target)).or_default().push(connection);
        sender
    }

    /// Lends a connection, or the place on it, until its answer has been read.
    pub(super) fn keep(self: Arc<Self>, target: &Target, sender: Sender) -> Keep {
        Keep {
            key: here(target),
            pool: self,
            sender,
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
        lock(&self.http2).retain(|_, connections| {
            connections.retain_mut(|connection| connection.is_good(self.idle));
            !connections.is_empty()
        });
    }
}

/// A lent connection. Dropped without [`Keep::release`], one of HTTP/1.1 is closed: its answer was not read to the end.
#[derive(Debug)]
pub struct Keep {
    pool: Arc<Pool>,
    key: Key,
    sender: Sender,
}

impl Keep {
    pub(super) fn release(self) {
        match self.sender {
            Sender::Http1(sender) => self.pool.put(self.key, sender),
            Sender::Http2(_, place) => drop(place),
        }
    }
}

fn here(target: &Target) -> Key {
    (thread::current().id(), target.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::original_dst::OrigDstAddr;

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_finish_is_not_waited_for() {
        let (client, _server) = tokio::io::duplex(1 << 10);
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        sender.ready().await.unwrap();
        let _unanswered = sender.try_send_request(Request::new(MaskedBody::empty()));
        let target = Target {
            host: "api.openai.com".into(),
            original: OrigDstAddr("127.0.0.1:9".parse().unwrap()),
            netns: Arc::new(Netns::only()),
            http2: false,
        };
        let pool = Pool::new(Duration::from_secs(60));
        pool.put(here(&target), sender);
        let taking = timeout(Duration::from_secs(60), pool.take(&target));
        assert!(taking.await.unwrap().is_none());
    }
}
