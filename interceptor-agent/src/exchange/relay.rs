//! A WebSocket from its handshake to its end: what the client says is masked message by message, with one set of tokens,
//! and values are put back into what the provider says.

mod session;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{self, HeaderMap},
};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    time::timeout,
};

pub(super) use self::session::Seen;
use self::session::Session;
use super::{
    Link, mask,
    record::{Opened, Record},
};
use crate::{
    app::{Policy, Terms},
    http::{answer::Answer, head},
    protocol::Endpoint,
    refusal::{Reason, Refusal},
    websocket::{self, Message, Reader, Side, WebSocketError},
};

/// Most bytes of a client's message: masking it holds up other connections of its thread.
const MESSAGE_LIMIT: usize = 1 << 20;
/// How long an end is waited for that has been told of it.
const FAREWELL: Duration = Duration::from_secs(5);
/// Close codes of RFC 6455 §7.4.1.
const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;
const INTERNAL_ERROR: u16 = 1011;

type Relay = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that has become a WebSocket; it is carried on where its connection was served.
#[derive(Default)]
pub struct Upgraded(Mutex<Option<Relay>>);

impl Upgraded {
    /// Carries the WebSocket on to its end, if there is one.
    pub async fn carry(&self) {
        let relay = self.slot().take();
        if let Some(relay) = relay {
            relay.await;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Relay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both ends of a WebSocket before it has begun.
pub(super) struct Ends {
    client: OnUpgrade,
    server: OnUpgrade,
    terms: Arc<Terms>,
    endpoint: &'static Endpoint,
    answer_limit: usize,
    idle: Duration,
    write: Duration,
}

/// Does the handshake with the provider. Without [`Ends`], the provider did not agree, and its answer is one as any other.
pub(super) async fn open(
    link: &Link,
    policy: &Policy,
    terms: &Arc<Terms>,
    endpoint: &'static Endpoint,
    names: mask::Names,
    mut request: Request<()>,
    record: &mut Record<'_>,
) -> Result<(Response<Answer>, Option<Ends>), Refusal> {
    let bad = |what: &str| Err(Refusal::new(Reason::BadRequest, what));
    if link.target.http2 || request.version() != Version::HTTP_11 {
        return bad("a WebSocket is opened over HTTP/1.1");
    }
    let version = request.headers().get_all(header::SEC_WEBSOCKET_VERSION);
    if !version.iter().eq(["13"]) || !has_body_of_none(request.headers()) {
        return bad("a WebSocket is opened without a body, by Sec-WebSocket-Version: 13");
    }
    let limits = &policy.limits;
    let client = hyper::upgrade::on(&mut request);
    let (parts, ()) = request.into_parts();
    let way = mask::Way {
        limit: limits.request_body,
        endpoint: None,
        answered: endpoint,
        names,
        handshake: true,
        credential: link.host.protocol.credential(),
        tenant: None,
    };
    let masked = mask::request(terms, way, parts, Bytes::new()).await?;
    record.masked(&masked);
    if masked.changed {
        return Err(Refusal::new(
            Reason::Unmaskable,
            "in the handshake of a WebSocket",
        ));
    }
    let mut parts = masked.parts;
    // What is coded by an extension can't be read: none is offered.
    head::remove(&mut parts.headers, |name| {
        *name == header::SEC_WEBSOCKET_EXTENSIONS
    });
    as_upgrade(&mut parts.headers);
    let request = Request::from_parts(parts, masked.body);
    let mut response = policy.upstream.send(&link.target, request).await?;
    link.app
        .learn(link.target.original.0.ip(), &link.host, &link.target.host);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        head::strip_hop(response.headers_mut());
        link.guard.next();
        return Ok((response.map(Answer::Through), None));
    }
    if response
        .headers()
        .contains_key(header::SEC_WEBSOCKET_EXTENSIONS)
    {
        return Err(Refusal::new(
            Reason::BadAnswer,
            "it speaks an extension that was not offered",
        ));
    }
    let ends = Ends {
        client,
        server: hyper::upgrade::on(&mut response),
        terms: Arc::clone(terms),
        endpoint,
        answer_limit: limits.response_body,
        idle: limits.response_timeout,
        write: limits.body_timeout,
    };
    as_upgrade(response.headers_mut());
    Ok((response.map(|_| Answer::Own(Full::default())), Some(ends)))
}

fn has_body_of_none(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::TRANSFER_ENCODING) && length.is_none_or(|length| length == "0")
}

/// The hop's headers, but those that ask for a WebSocket.
fn as_upgrade(headers: &mut HeaderMap) {
    head::strip_hop(headers);
    let set: [(HeaderName, &str); 2] = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

impl Ends {
    /// Has the WebSocket carried on where the connection of `link` was served.
    pub(super) fn carry_on(self, link: Arc<Link>, opened: Opened) {
        let upgraded = Arc::clone(&link.upgraded);
        *upgraded.slot() = Some(Box::pin(self.run(link, opened)));
    }

    async fn run(self, link: Arc<Link>, mut opened: Opened) {
        // Either may be gone before it had its answer.
        let Ok(Ok((client, server))) = timeout(self.write, async {
            tokio::try_join!(self.client, self.server)
        })
        .await
        else {
            return;
        };
        let (mut from_client, mut to_client) = split(TokioIo::new(client));
        let (mut from_server, mut to_server) = split(TokioIo::new(server));
        let session = Session::new(&self.terms, self.endpoint, self.answer_limit);
        let (mut up, mut down) = (session.up(), session.down());
        let (idle, write) = (self.idle, self.write);
        let (end, from) = {
            let reader = Reader::new(Side::Client, MESSAGE_LIMIT);
            let upward = pump(
                reader,
                &mut from_client,
                &mut to_server,
                &mut up,
                idle,
                write,
            );
            let reader = Reader::new(Side::Server, self.answer_limit);
            let downward = pump(
                reader,
                &mut from_server,
                &mut to_client,
                &mut down,
                idle,
                write,
            );
            let (mut upward, mut downward) = (pin!(upward), pin!(downward));
            let first = tokio::select! {
                end = &mut upward => (end, Side::Client),
                end = &mut downward => (end, Side::Server),
                () = link.app.drain.over() => (End::Over, Side::Server),
            };
            match first {
                // The other end answers a close by its own.
                (End::Closed, Side::Client) => drop(timeout(FAREWELL, downward).await),
                (End::Closed, Side::Server) => drop(timeout(FAREWELL, upward).await),
                _ => {}
            }
            first
        };
        let closed = matches!(end, End::Closed);
        let (refusal, codes) = end.told(from);
        let reason = refusal.map_or_else(String::new, |refusal| opened.refused(&refusal));
        if let Some((to_the_client, to_the_server)) = codes {
            let close = |code, reason| Message::Close(Some((code, reason)));
            let (client_said, server_said) = (
                close(to_the_client, reason),
                close(to_the_server, String::new()),
            );
            // Nobody is left to tell of what fails here.
            let _ = send(&mut to_client, &client_said, None, FAREWELL).await;
            let _ = send(&mut to_server, &server_said, Some(key()), FAREWELL).await;
        }
        let _ = timeout(FAREWELL, to_client.shutdown()).await;
        let _ = timeout(FAREWELL, to_server.shutdown()).await;
        opened.ended(&up.seen, down.bytes, session.watching(), closed);
    }
}

/// Why nothing more goes one way.
pub(super) enum End {
    /// A close has gone through.
    Closed,
    /// The connection broke.
    Gone,
    /// Nothing came for too long.
    Idle,
    /// The agent stops.
    Over,
    /// What came can't be read.
    Broken(WebSocketError),
    /// What came may not go on.
    Refused(Refusal),
}

impl End {
    /// Whether it is a refusal, and the codes that the client and the provider are told, if nobody told them. It came of what
    /// the side `from` sent.
    fn told(self, from: Side) -> (Option<Refusal>, Option<(u16, u16)>) {
        let (refusal, codes) = match (self, from) {
            (Self::Closed | Self::Gone, _) => return (None, None),
            (Self::Idle | Self::Over, _) => return (None, Some((GOING_AWAY, GOING_AWAY))),
            (Self::Broken(error), Side::Client) => {
                // Its length has no limit in the config that could be raised.
                let refusal = Refusal::new(Reason::BadRequest, error);
                (refusal, (error.code(), GOING_AWAY))
            }
            (Self::Broken(error), Side::Server) => {
                let refusal = Refusal::new(Reason::BadAnswer, error);
                (refusal, (INTERNAL_ERROR, error.code()))
            }
            (Self::Refused(refusal), _) => {
                let code = match refusal.reason {
                    Reason::BadAnswer => INTERNAL_ERROR,
                    _ => POLICY_VIOLATION,
                };
                (refusal, (code, GOING_AWAY))
            }
        };
        (Some(refusal), Some(codes))
    }
}

/// What is done with messages on their way.
trait Pass {
    /// What goes on for one message.
    fn pass(
        &mut self,
        message: Message,
    ) -> impl Future<Output = Result<Vec<Message>, Refusal>> + Send;
    /// The key for the next frame of this way.
    fn key(&self) -> Option<[u8; 4]>;
}

async fn pump(
    mut reader: Reader,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    way: &mut impl Pass,
    idle: Duration,
    write: Duration,
) -> End {
    loop {
        match timeout(idle, from.read_buf(reader.buffer())).await {
            Err(_) => return End::Idle,
            Ok(Err(_) | Ok(0)) => return End::Gone,
            Ok(Ok(_)) => {}
        }
        loop {
            let message = match reader.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return End::Broken(error),
            };
            let closes = matches!(message, Message::Close(_));
            let onward = match way.pass(message).await {
                Ok(onward) => onward,
                Err(refusal) => return End::Refused(refusal),
            };
            for message in onward {
                if send(to, &message, way.key(), write).await.is_err() {
                    return End::Gone;
                }
            }
            if closes {
                return End::Closed;
            }
        }
    }
}

async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    message: &Message,
    key: Option<[u8; 4]>,
    patience: Duration,
) -> std::io::Result<()> {
    let mut out = BytesMut::new();
    websocket::write(message, key, &mut out);
    timeout(patience, async {
        to.write_all(&out).await?;
        to.flush().await
    })
    .await?
}

/// A key that nobody can foresee (RFC 6455 §10.3).
fn key() -> [u8; 4] {
    let mut key = [0; 4];
    // The generator is seeded when the process starts TLS; a key of zeros would still be one.
    let _ = rand::fill(&mut key);
    key
}

#[cfg(test)]
mod tests;
