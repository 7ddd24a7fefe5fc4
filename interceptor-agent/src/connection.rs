//! The life of one connection, top to bottom: steered here, or a tunnel that a client asked a listener for.

use std::{io, os::fd::AsFd as _, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::server::TlsStream;

use crate::{
    app::{App, Policy},
    config::Limits,
    exchange::{self, Link},
    hosts::Host,
    http::head_guard::HeadGuard,
    id::Id,
    intercept::{self, Asked, Verdict},
    opening::{self, Opening},
    original_dst::{ClientAddr, LocalAddr, OrigDstAddr, Steered},
    passthrough::{
        self,
        requests::{self, Begun, Refused},
    },
    prefixed::Prefixed,
    protocol::Protocol,
    refusal::{Reason, Refusal},
    steering::netns::Netns,
    tls::{buffered, failure::Failure},
    upstream::Target,
    who::Who,
};

/// Takes an accepted connection from its first byte to its last.
pub async fn serve(
    app: Arc<App>,
    netns: Arc<Netns>,
    client: TcpStream,
    from: ClientAddr,
    at: LocalAddr,
) {
    let _open = app.metrics.open();
    let Ok(steered) = app.steering.take(&netns, client.as_fd(), from, at) else {
        // Never a guess: the connection is reset, and nothing of it was read. Most often the client gave up before it was
        // accepted, which withdrew its hand-off.
        app.metrics.connection("refuse");
        app.metrics.refused(Reason::Lost.as_str());
        return client.set_zero_linger().unwrap_or_default();
    };
    let arrival = Arrival {
        netns,
        steered,
        asked: None,
        who: None,
    };
    carry(&app, arrival, client, Bytes::new(), None).await
}

/// A connection of which it is known where it goes, and nothing else.
pub struct Arrival {
    /// Where the client stands.
    pub netns: Arc<Netns>,
    /// Where it goes, and who made it.
    pub steered: Steered,
    /// What the client asked a listener for; nothing of one that was steered here.
    pub asked: Option<Asked>,
    /// Who made it, where that was looked up already.
    pub who: Option<Who>,
}

/// Takes a connection from its first byte, or from those that were `read`, to its last. `server` is its other end, where there
/// is one already.
pub async fn carry(
    app: &Arc<App>,
    arrival: Arrival,
    mut client: TcpStream,
    mut read: Bytes,
    mut server: Option<TcpStream>,
) {
    let policy = app.policy();
    let original = arrival.steered.original;
    loop {
        let patience = policy.limits.header_timeout;
        let opening;
        (opening, read) = match opening::read(&mut client, read, patience).await {
            Ok(known) => known,
            Err(_) => return,
        };
        match decide(app, &policy, &arrival, None, &opening) {
            _ if opening == Opening::Closed => return,
            Verdict::Refuse(reason) => {
                return refuse(app, &policy, client, &arrival.steered, &opening, reason).await;
            }
            Verdict::Intercept(host) => {
                let name = opening.sni();
                if let Err(error) = policy.leaves.certified_key(&name) {
                    tracing::warn!(host = name, %error, "no certificate for a client");
                    let (steered, reason) = (&arrival.steered, Reason::NoCertificate);
                    return refuse(app, &policy, client, steered, &opening, reason).await;
                }
                let client = Prefixed::new(read, buffered(client));
                // Boxed: connections that pass are many and last, and must not be as big as this.
                return Box::pin(intercept(app, &policy, host, name, arrival, client)).await;
            }
            Verdict::Pass => {
                let dialled = match server.take() {
                    Some(server) => Ok(server),
                    None => policy.upstream.dial(&arrival.netns, original).await,
                };
                let Ok(dialled) = dialled else {
                    app.metrics.connection("unreachable");
                    // As close to a refused connect as one that was accepted can come.
                    return client.set_zero_linger().unwrap_or_default();
                };
                if opening == Opening::Silent && client_speaks_first(&client, &dialled).await {
                    server = Some(dialled);
                    continue;
                }
                app.metrics.connection("pass");
                if let Opening::Http { .. } | Opening::Connect { .. } = opening {
                    let begun = Begun {
                        opening,
                        read,
                        patience,
                    };
                    return Box::pin(pass_requests(app, &arrival, client, dialled, begun)).await;
                }
                return pass(app, client, read, dialled, original).await;
            }
        }
    }
}

/// `proxied` is what a proxy was asked for, where one was: then this is about what is said to whom it leads.
fn decide<'p>(
    app: &App,
    policy: &'p Policy,
    arrival: &Arrival,
    proxied: Option<&str>,
    opening: &Opening,
) -> Verdict<'p> {
    let address = match proxied {
        Some(host) => host.parse().ok(),
        None => Some(arrival.steered.original.0.ip()),
    };
    let known = address.is_some_and(|address| app.addresses.contains(address));
    match (proxied, &arrival.asked) {
        (Some(host), _) => intercept::decide_proxied(&policy.hosts, host, known, opening),
        (None, Some(asked)) => intercept::decide_asked(&policy.hosts, asked, known, opening),
        (None, None) => intercept::decide(&policy.hosts, known, opening),
    }
}

/// Passes plain HTTP on for as long as none of it is for an LLM host.
async fn pass_requests(
    app: &App,
    arrival: &Arrival,
    client: TcpStream,
    server: TcpStream,
    begun: Begun,
) {
    let tunnel = |opening: &Opening| match opening {
        Opening::Connect { hosts, .. } => hosts.first().cloned(),
        _ => None,
    };
    let mut proxied = tunnel(&begun.opening);
    let decide = |opening: &Opening| {
        match decide(app, &app.policy(), arrival, proxied.as_deref(), opening) {
            Verdict::Refuse(reason) => return Some(reason),
            // Its TLS could be ended here, but what was said before it not be taken back.
            Verdict::Intercept(_) => return Some(Reason::Proxied),
            Verdict::Pass => {}
        }
        proxied = tunnel(opening).or(proxied.take());
        None
    };
    match requests::run(client, server, begun, decide, app.stopping()).await {
        Ok(None) => {}
        Ok(Some(Refused {
            client,
            opening,
            reason,
            answered,
        })) => {
            // Nothing is said out of turn.
            let opening = if answered { opening } else { Opening::Broken };
            refuse(
                app,
                &app.policy(),
                client,
                &arrival.steered,
                &opening,
                reason,
            )
            .await
        }
        Err(error) => {
            let original = arrival.steered.original.0;
            tracing::debug!(%original, %error, "passthrough ended");
        }
    }
}

/// Ends the client's TLS with a leaf for its host and serves HTTP on it.
async fn intercept(
    app: &Arc<App>,
    policy: &Policy,
    host: &Host,
    name: String,
    arrival: Arrival,
    client: Prefixed<BufReader<TcpStream>>,
) {
    let Arrival {
        netns,
        steered,
        who,
        ..
    } = arrival;
    app.metrics.connection("intercept");
    let accepting = tokio::time::timeout(policy.limits.header_timeout, policy.tls.accept(client));
    let tls = match accepting.await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return not_accepted(app, &name, &steered, &error),
        Err(late) => return not_accepted(app, &name, &steered, &late.into()),
    };
    let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let link = Link {
        app: Arc::clone(app),
        host: host.clone(),
        target: Target {
            host: name.into(),
            original: steered.original,
            netns,
            http2,
        },
        who: who.unwrap_or_else(|| Who::of(steered.process)),
        guard: HeadGuard::default(),
        upgraded: Arc::default(),
    };
    if http2 {
        serve_http2(link, &policy.limits, tls).await
    } else {
        serve_http1(link, &policy.limits, tls).await
    }
}

async fn serve_http1(link: Link, limits: &Limits, tls: TlsStream<Prefixed<BufReader<TcpStream>>>) {
    let link = Arc::new(link);
    let (metrics, protocol) = (link.app.metrics.clone(), link.host.protocol);
    let too_slow = move || {
        metrics.refused(Reason::HeadTimeout.as_str());
        Refusal::from(Reason::HeadTimeout).plain_response(protocol, &Id::new())
    };
    let io = TokioIo::new(link.guard.watch(tls, limits.header_timeout, too_slow));
    let (ask, asked) = watch::channel(());
    let service = service_fn(|request| {
        ask.send_replace(());
        exchange::run(Arc::clone(&link), request)
    });
    let connection = http1(limits).serve_connection(io, service).with_upgrades();
    to_its_end(&link.app, asked, connection, |it| it.graceful_shutdown()).await;
    link.upgraded.carry().await;
}

/// An HTTP/1.1 server within the limits. The time that a head may take is [`HeadGuard`]'s to watch.
pub(crate) fn http1(limits: &Limits) -> conn::http1::Builder {
    let mut builder = conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_headers(limits.header_fields)
        .max_buf_size(limits.header_bytes)
        .preserve_header_case(true)
        .auto_date_header(false);
    builder
}

async fn serve_http2(link: Link, limits: &Limits, tls: TlsStream<Prefixed<BufReader<TcpStream>>>) {
    let link = Arc::new(link);
    let (ask, asked) = watch::channel(());
    let service = {
        let link = Arc::clone(&link);
        service_fn(move |request| {
            ask.send_replace(());
            exchange::run(Arc::clone(&link), request)
        })
    };
    let connection = conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(200)
        .keep_alive_interval(limits.idle_timeout)
        .adaptive_window(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(tls), service);
    to_its_end(&link.app, asked, connection, |it| it.graceful_shutdown()).await;
}

/// Serves a connection to its end. Once a drain has begun, `shut_down` keeps it to the request that is open; what is open still
/// when the time is over is cut, which fills its record.
pub(crate) async fn to_its_end<C>(
    app: &App,
    asked: watch::Receiver<()>,
    connection: C,
    shut_down: impl FnOnce(Pin<&mut C>),
) where
    C: Future<Output = hyper::Result<()>>,
{
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending(app, asked) => {
            shut_down(connection.as_mut());
            tokio::select! {
                ended = connection => ended,
                () = app.drain.over() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Resolves when a connection is to end, with the request that is open on it. With a successor there is time: a request
/// that is on its way to us is answered before.
async fn ending(app: &App, mut asked: watch::Receiver<()>) {
    const ON_ITS_WAY: Duration = Duration::from_secs(5);
    app.drain.begun().await;
    if app.hands_over() {
        asked.mark_unchanged();
        // None came: nothing is lost.
        let _ = tokio::time::timeout(ON_ITS_WAY, asked.changed()).await;
    }
}

/// A protocol in which the server speaks first is none that an LLM host speaks. Whoever speaks first shows which it is.
async fn client_speaks_first(client: &TcpStream, server: &TcpStream) -> bool {
    tokio::select! {
        biased;
        _ = client.readable() => true,
        _ = server.readable() => false,
    }
}

async fn pass(app: &App, client: TcpStream, read: Bytes, server: TcpStream, original: OrigDstAddr) {
    if let Err(error) = passthrough::run(client, read, server, app.stopping()).await {
        tracing::debug!(original = %original.0, %error, "passthrough ended");
    }
}

/// Refuses in the client's own language: HTTP where it speaks HTTP, an alert where it speaks TLS, else a reset.
async fn refuse(
    app: &App,
    policy: &Policy,
    mut client: TcpStream,
    steered: &Steered,
    opening: &Opening,
    reason: Reason,
) {
    /// `access_denied` (RFC 8446 §6.2), fatal, in a plaintext record.
    const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];
    let id = Id::new();
    app.metrics.connection("refuse");
    app.metrics.refused(reason.as_str());
    let process = &steered.process;
    app.audit.refused(id, "agent", reason.as_str(), steered);
    tracing::warn!(
        %id,
        reason = reason.as_str(),
        original = %steered.original.0,
        pid = process.known_pid(),
        uid = process.known_uid(),
        comm = process.comm,
        next_step = reason.next_step(),
        "connection refused"
    );
    let said = match opening {
        Opening::Http { hosts, .. } | Opening::Connect { hosts, .. } => {
            let protocol = hosts
                .iter()
                .find_map(|host| policy.hosts.lookup(host))
                .map_or(Protocol::None, |host| host.protocol);
            client
                .write_all(&Refusal::from(reason).plain_response(protocol, &id))
                .await
        }
        Opening::Tls(_) => client.write_all(&ACCESS_DENIED).await,
        // Dropped with no time to linger, a socket is reset.
        _ => return client.set_zero_linger().unwrap_or_default(),
    };
    if said.is_ok() {
        // The client may be gone already; there is nobody left to tell.
        let _ = client.shutdown().await;
    }
}

/// A handshake that came to nothing: where it is about trust, the operator has to know which client.
fn not_accepted(app: &App, host: &str, steered: &Steered, error: &io::Error) {
    let failure = Failure::of(error);
    if failure == Failure::Untrusted {
        app.metrics.client_refused_ca();
    }
    let process = &steered.process;
    tracing::warn!(
        host,
        pid = process.known_pid(),
        uid = process.known_uid(),
        comm = process.comm,
        %error,
        next_step = failure.next_step(),
        "{}",
        failure.what()
    );
}
