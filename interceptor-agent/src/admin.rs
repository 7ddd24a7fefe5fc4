//! Liveness, readiness and metrics over HTTP, for operators and probes.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, time};

use crate::{app::App, listener};

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds the admin address, where a predecessor has not.
///
/// # Errors
/// The address can't be bound.
pub async fn bind(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> io::Result<TcpListener> {
    match inherited {
        Some(listener) => TcpListener::from_std(listener),
        None => listener::bind_one(address, |_| Ok(())).and_then(TcpListener::from_std),
    }
}

/// Serves until the drain is over; readiness fails as soon as it begins.
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.drain.begun() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: the backlog holds the others until some are free.
                tracing::warn!(%error, "accept");
                time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&app, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(5))
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection");
            }
        });
    }
}

fn answer(app: &App, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/live") => text(StatusCode::OK, "live\n"),
        (&Method::GET | &Method::HEAD, "/ready") if app.drain.has_begun() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        }
        (&Method::GET | &Method::HEAD, "/ready") if !app.is_attached() => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not everything is steered: see the log, or `interceptor status`\n",
        ),
        (&Method::GET | &Method::HEAD, "/ready") if !app.audit.is_ready() => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the audit file can't be written\n",
        ),
        (&Method::GET | &Method::HEAD, "/ready") => text(StatusCode::OK, "ready\n"),
        (&Method::GET, "/metrics") => typed(StatusCode::OK, app.metrics.text(), OPEN_METRICS),
        _ => text(
            StatusCode::NOT_FOUND,
            "/live, /ready and /metrics are served here\n",
        ),
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    typed(status, body.to_owned(), TEXT)
}

fn typed(status: StatusCode, body: String, kind: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
