//! Connections to providers: dialled at the original address, verified for the SNI, pooled.

mod body;
mod dial;
mod pool;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio_rustls::TlsConnector;

use crate::{
    original_dst::OrigDstAddr,
    steering::{Steering, netns::Netns},
    tls::buffered,
};
pub use body::{BrokenAnswer, MaskedBody, UpstreamBody};
use dial::Dialer;
use pool::{Pool, Sender};

const H2: &[u8] = b"h2";

/// Bytes of an answer that may be on their way, of each that shares a connection: one that nobody reads stops no other.
const STREAM_WINDOW: u32 = 512 << 10;

/// The most that a window can be (RFC 9113 §6.9.1).
const MOST_WINDOW: u32 = (1 << 31) - 1;

/// Whom to talk to, from where: the host that the client named, at the address that the client chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// SNI, and the name that the certificate is verified for.
    pub host: Arc<str>,
    /// Where the client was going.
    pub original: OrigDstAddr,
    /// Where the client stood.
    pub netns: Arc<Netns>,
    /// Whether the client speaks HTTP/2, so that the provider sees the version it would have seen.
    pub http2: bool,
}

/// Why the provider could not be asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No TCP connection.
    #[error("{address} can't be reached: {error}")]
    Unreachable {
        /// Where the client was going.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// Every ephemeral port is taken (`net.ipv4.ip_local_port_range`), for a minute more after its connection has ended.
    #[error("all of net.ipv4.ip_local_port_range is taken")]
    NoPort,
    /// The TLS handshake failed; most often the certificate isn't one for the host.
    #[error("TLS with {host} failed: {error}")]
    Untrusted {
        /// The name that was verified.
        host: Arc<str>,
        /// What rustls said.
        error: io::Error,
    },
    /// Connecting, the handshake or the answer took too long.
    #[error("{host} did not answer in {} s", .after.as_secs())]
    Timeout {
        /// Whom we asked.
        host: Arc<str>,
        /// The limit.
        after: Duration,
    },
    /// The connection broke before the answer.
    #[error("{host} broke the connection: {error}")]
    Broken {
        /// Whom we asked.
        host: Arc<str>,
        /// What hyper said.
        error: hyper::Error,
    },
}

/// The client towards providers.
pub struct Upstream {
    dialer: Dialer,
    http1: TlsConnector,
    http2: TlsConnector,
    pool: Arc<Pool>,
    patience: Patience,
}

/// How long a provider is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TCP connection and its TLS handshake.
    pub connect: Duration,
    /// For the head of an answer, and for each next piece of it.
    pub answer: Duration,
    /// For the next use of a connection before it is closed.
    pub idle: Duration,
}

impl Upstream {
    /// `http1` and `http2` are the TLS configurations that offer only HTTP/1.1, and both.
    pub fn new(
        steering: Arc<dyn Steering>,
        http1: Arc<rustls::ClientConfig>,
        http2: Arc<rustls::ClientConfig>,
        patience: Patience,
    ) -> Self {
        Self {
            dialer: Dialer::new(steering, patience.connect),
            http1: http1.into(),
            http2: http2.into(),
            pool: Arc::new(Pool::new(patience.idle)),
            patience,
        }
    }

    /// A plain connection to where the client was going, past our own programs.
    pub async fn dial(
        &self,
        netns: &Netns,
        original: OrigDstAddr,
    ) -> io::Result<tokio::net::TcpStream> {
        self.dialer.dial(netns, original.0).await
    }

    /// Sends one request. Only a masked body can be given; an idle connection that the provider closed meanwhile is
    /// replaced by a fresh one as long as nothing of the request was sent.
    pub async fn send(
        &self,
        target: &Target,
        mut request: Request<MaskedBody>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        loop {
            let (mut sender, reused) = match self.pool.take(target).await {
                Some(sender) => (sender, true),
                None => (self.connect(target).await?, false),
            };
            let sending = tokio::time::timeout(self.patience.answer, sender.send(request));
            match sending
                .await
                .map_err(|_| timeout(target, self.patience.answer))?
            {
                Ok(response) => {
                    // What has become a WebSocket takes no more requests.
                    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                    let back = (!upgraded).then(|| Arc::clone(&self.pool).keep(target, sender));
                    let pause = self.patience.answer;
                    return Ok(response.map(|body| UpstreamBody::new(body, back, pause)));
                }
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if reused => request = unsent,
                    _ => {
                        return Err(UpstreamError::Broken {
                            host: target.host.clone(),
                            error: failed.into_error(),
                        });
                    }
                },
            }
        }
    }

    /// Closes what has been idle too long.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// Closes the idle connections that were made in a network namespace that nobody is in any more.
    pub fn forget(&self, netns: &Netns) {
        self.pool.forget(netns);
    }

    async fn connect(&self, target: &Target) -> Result<Sender, UpstreamError> {
        let limit = self.patience.connect;
        let connecting = tokio::time::timeout(limit, self.handshake(target));
        let tls = connecting.await.map_err(|_| timeout(target, limit))??;
        let http2 = tls.get_ref().1.alpn_protocol() == Some(H2);
        let broken = |error| UpstreamError::Broken {
            host: target.host.clone(),
            error,
        };
        let io = TokioIo::new(tls);
        if http2 {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                // What the provider allows comes with its first frame.
                .initial_max_send_streams(1)
                // No bound beside the streams' own. h2 ends a connection with as many small frames unread as are half of it in
                // their own count (RFC 9113 §10.5), those of answers whose clients read slowly.
                .initial_connection_window_size(MOST_WINDOW)
                .initial_stream_window_size(STREAM_WINDOW)
                .keep_alive_interval(Duration::from_secs(30))
                .handshake(io)
                .await
                .map_err(broken)?;
            let connection = Arc::new(Mutex::new(Some(connection)));
            tokio::spawn(pool::drive(Arc::clone(&connection)));
            Ok(self.pool.share(target, sender, connection))
        } else {
            let (sender, connection) = http1::Builder::new()
                .preserve_header_case(true)
                .handshake(io)
                .await
                .map_err(broken)?;
            tokio::spawn(connection.with_upgrades());
            Ok(Sender::Http1(sender))
        }
    }

    async fn handshake(
        &self,
        target: &Target,
    ) -> Result<tokio_rustls::client::TlsStream<BufReader<tokio::net::TcpStream>>, UpstreamError>
    {
        let address = target.original.0;
        let unreachable = |error: io::Error| match error.kind() {
            // Of bind(2), by which an exemption takes one.
            io::ErrorKind::AddrInUse => UpstreamError::NoPort,
            _ => UpstreamError::Unreachable { address, error },
        };
        let untrusted = |error| UpstreamError::Untrusted {
            host: target.host.clone(),
            error,
        };
        let name = ServerName::try_from(target.host.to_string())
            .map_err(|error| untrusted(io::Error::other(error)))?;
        let tcp = self
            .dialer
            .dial(&target.netns, address)
            .await
            .map_err(unreachable)?;
        let connector = if target.http2 {
            &self.http2
        } else {
            &self.http1
        };
        connector
            .connect(name, buffered(tcp))
            .await
            .map_err(untrusted)
    }
}

fn timeout(target: &Target, after: Duration) -> UpstreamError {
    UpstreamError::Timeout {
        host: target.host.clone(),
        after,
    }
}
