//! Accepts, records, and asks [`answer`] what to say.

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::flaw::{FEW_STREAMS, Flaw};
use super::record::{Record, Seen, Tap};
use super::{Sockets, answer, grpc, kept, proxy, tls, websocket};
use crate::coding;

/// Where a connection came from, and what its handshake agreed on.
#[derive(Clone)]
struct Peer {
    sni: Option<String>,
    address: SocketAddr,
}

/// Serves until dropped.
pub(super) async fn serve(sockets: Sockets, ca: tls::Ca, record: Record) {
    let Ok(config) = ca.server_config() else {
        return;
    };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::join!(
        serve_https(sockets.https, acceptor, &record),
        serve_http(sockets.http, &record),
        count_datagrams(sockets.quic, &record),
    );
}

async fn serve_https(listener: TcpListener, acceptor: TlsAcceptor, record: &Record) {
    while let Ok((stream, address)) = listener.accept().await {
        record.connection();
        let _ = stream.set_nodelay(true);
        let (acceptor, record) = (acceptor.clone(), record.clone());
        tokio::spawn(async move {
            let Ok(stream) = of_any_version(stream).await else {
                return;
            };
            // Clients that don't trust the certificate end here, and that is theirs to report.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let (_, session) = stream.get_ref();
            let is_h2 = session.alpn_protocol() == Some(b"h2");
            let peer = Peer {
                sni: session.server_name().map(str::to_owned),
                address,
            };
            let flaw = peer.sni.as_deref().and_then(Flaw::of);
            let mut stream = Tap::new(stream, record.clone());
            if let Some(flaw) = flaw
                && flaw.serve(&mut stream).await
            {
                return;
            }
            serve_connection(stream, peer, is_h2, record).await;
        });
    }
}

/// Streams that hyper would take, and fewer where that is a provider's flaw.
fn streams(peer: &Peer) -> u32 {
    match peer.sni.as_deref().and_then(Flaw::of) {
        Some(Flaw::FewStreams) => FEW_STREAMS,
        _ => 200,
    }
}

/// Whatever version the first record says it has, it is taken, as by s2n.
async fn of_any_version(stream: TcpStream) -> io::Result<impl AsyncRead + AsyncWrite + Unpin> {
    let (mut read, write) = stream.into_split();
    let mut begin = [0; 3];
    read.read_exact(&mut begin).await?;
    let begin = [begin[0], 3, 1];
    Ok(tokio::io::join(Cursor::new(begin).chain(read), write))
}

async fn serve_http(listener: TcpListener, record: &Record) {
    while let Ok((stream, address)) = listener.accept().await {
        record.connection();
        let record = record.clone();
        let stream = Tap::new(stream, record.clone());
        tokio::spawn(serve_connection(
            stream,
            Peer { sni: None, address },
            false,
            record,
        ));
    }
}

async fn count_datagrams(socket: tokio::net::UdpSocket, record: &Record) {
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.recv(&mut buffer).await {
        record.datagram(&buffer[..length]);
    }
}

async fn serve_connection<S>(stream: S, peer: Peer, is_h2: bool, record: Record)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let streams = streams(&peer);
    let service = service_fn(move |request| respond(request, peer.clone(), record.clone()));
    // A client may go away in the middle; what came before is recorded.
    if is_h2 {
        let _ = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(streams)
            .serve_connection(io, service)
            .await;
    } else {
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(io, service)
            .with_upgrades()
            .await;
    }
}

async fn respond(
    mut request: Request<Incoming>,
    peer: Peer,
    record: Record,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
    if request.method() == Method::CONNECT {
        return Ok(proxy::connect(request));
    }
    let upgrades = request.headers().contains_key(http::header::UPGRADE);
    let upgrade = (upgrades && request.uri().path() == websocket::PATH)
        .then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let seen = Seen {
        sni: peer.sni,
        peer: peer.address,
        version: head.version,
        method: head.method,
        scheme: head.uri.scheme_str().map(str::to_owned),
        target: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        plain: decoded(&head.headers, &body).await,
        headers: head.headers,
        body,
    };
    let response = match upgrade {
        Some(upgrade) => websocket::accept(upgrade, seen.clone(), record.clone()),
        None if grpc::is_call(&seen) => grpc::answer(&seen),
        None => {
            let kept = kept::answer(&seen, &record);
            let answer = kept.unwrap_or_else(|| answer::answer(&seen));
            answer.into_response().await
        }
    };
    record.request(seen);
    Ok(response)
}

/// A body that is not what its coding says stays as it is: tests look at it all the same.
async fn decoded(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let coding = headers
        .get("content-encoding")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    coding::decoded(coding, body)
        .await
        .map_or_else(|_| body.clone(), Bytes::from)
}
