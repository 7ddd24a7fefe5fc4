//! One client connection: TCP, TLS, HTTP/1.1.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::load::Target;

/// How to connect to a target, and what to send it.
pub struct Client {
    target: Target,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Client {
    /// Sessions are never resumed: every connection is a full handshake.
    pub fn new(target: &Target) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&target.roots)? {
            // Of a bundle of public roots some may be of a form that isn't taken.
            let _ = roots.add(root?);
        }
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            name: target.host.clone().try_into()?,
            tls: Arc::new(config).into(),
            target: target.clone(),
        })
    }

    pub async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        self.http(self.tcp().await?).await
    }

    /// A connection, and no word on it yet.
    pub async fn tcp(&self) -> Result<TcpStream> {
        let address = self.target.address;
        let tcp = TcpStream::connect(address)
            .await
            .with_context(|| format!("{address}"))?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    pub async fn tls<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<TlsStream<S>> {
        let connecting = self.tls.connect(self.name.clone(), stream);
        connecting
            .await
            .with_context(|| format!("TLS with {}", self.target.address))
    }

    pub async fn http<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tls = self.tls(stream).await?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await?;
        // Its errors are those of the request on it.
        tokio::spawn(connection);
        Ok(sender)
    }

    pub fn request(&self, accept: &str, body: &Bytes) -> Result<Request<Full<Bytes>>> {
        Ok(Request::builder()
            .method(Method::POST)
            .uri("/v1/messages")
            .header(header::HOST, &self.target.host)
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "bench/1.0")
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", "bench")
            .body(Full::new(body.clone()))?)
    }
}

/// The middle one; 0 of none.
pub fn median(mut values: Vec<u64>) -> u64 {
    percentile(&mut values, 50)
}

/// The one that so many of a hundred are at most as long as; 0 of none.
pub fn percentile(values: &mut [u64], of_hundred: usize) -> u64 {
    let place = values.len() * of_hundred / 100;
    if place >= values.len() {
        return 0;
    }
    *values.select_nth_unstable(place).1
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_has_its_share_below_it() {
        let mut values: Vec<_> = (0..200).rev().collect();
        assert_eq!(percentile(&mut values, 50), 100);
        assert_eq!(percentile(&mut values, 99), 198);
        assert_eq!(percentile(&mut [7], 99), 7);
        assert_eq!(percentile(&mut [], 50), 0);
    }
}
