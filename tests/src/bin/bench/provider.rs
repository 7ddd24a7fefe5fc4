//! A provider that costs as little as a real HTTP server can: it reads the whole body and says what was made before.
//! A GET gets as many bytes as its path says.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use interceptor_tests::netns::Netns;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use crate::texts;

/// Where it listens; 443 is taken by the harness' own stub.
pub const PORT: u16 = 8443;

/// Between two events of a stream.
const PACE: Duration = Duration::from_millis(2);

/// A stream's frames. Where the text goes and when it was sent is put in as they leave.
struct Said {
    message: Bytes,
    deltas: Vec<String>,
}

/// Listens in each namespace and serves until the runtime ends.
pub fn serve(
    runtime: &tokio::runtime::Runtime,
    namespaces: [&Netns; 2],
    acceptor: &TlsAcceptor,
    text: &str,
) -> Result<()> {
    let said = Arc::new(Said {
        message: texts::message(text).into(),
        deltas: texts::deltas(text),
    });
    for netns in namespaces {
        let listener =
            netns.run(|| std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
        listener.set_nonblocking(true)?;
        let _in_runtime = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        runtime.spawn(accept(listener, acceptor.clone(), Arc::clone(&said)));
    }
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, said: Arc<Said>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, said) = (acceptor.clone(), Arc::clone(&said));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request| answer(request, Arc::clone(&said)));
            // A client that goes away ends its connection: nothing is lost.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    said: Arc<Said>,
) -> hyper::Result<Response<Either<Full<Bytes>, Either<Stream, Zeros>>>> {
    if request.method() == Method::GET {
        let length = request.uri().path().trim_start_matches('/').parse();
        let zeros = Zeros(length.unwrap_or_default());
        return Ok(Response::new(Either::Right(Either::Right(zeros))));
    }
    let streams = request
        .headers()
        .get(ACCEPT)
        .is_some_and(|value| value == "text/event-stream");
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let (kind, body) = if streams {
        (
            "text/event-stream",
            Either::Right(Either::Left(Stream::new(said))),
        )
    } else {
        let body = Full::new(said.message.clone());
        ("application/json", Either::Left(body))
    };
    let mut response = Response::new(body);
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// As many bytes.
struct Zeros(u64);

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static SOME: [u8; 64 * 1024] = [0; 64 * 1024];
        let length = self.0.min(SOME.len() as u64);
        self.0 -= length;
        let bytes = Bytes::from_static(&SOME[..length as usize]);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// Deltas at an even pace, each with the time at which it left.
struct Stream {
    said: Arc<Said>,
    next: usize,
    clock: Interval,
}

impl Stream {
    fn new(said: Arc<Said>) -> Self {
        let mut clock = interval(PACE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            said,
            next: 0,
            clock,
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.next > this.said.deltas.len() {
            return Poll::Ready(None);
        }
        ready!(this.clock.poll_tick(context));
        let frame = match this.said.deltas.get(this.next) {
            Some(delta) => {
                let opening = if this.next == 0 { OPENING } else { "" };
                opening.to_owned() + &event(delta)
            }
            None => CLOSING.to_owned(),
        };
        this.next += 1;
        Poll::Ready(Some(Ok(Frame::data(frame.into()))))
    }
}

fn event(text: &str) -> String {
    let data = serde_json::json!({
        "type": "content_block_delta",
        "index": 0,
        "sent": now(),
        "delta": {"type": "text_delta", "text": text},
    });
    format!("event: content_block_delta\ndata: {data}\n\n")
}

/// Microseconds on the clock that provider and clients share.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

const OPENING: &str = "event: message_start\n\
    data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\
    \"model\":\"claude-sonnet-4-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
    \"usage\":{\"input_tokens\":900,\"output_tokens\":1}}}\n\n\
    event: content_block_start\n\
    data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";

const CLOSING: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
    event: message_delta\n\
    data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\
    \"usage\":{\"output_tokens\":240}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
