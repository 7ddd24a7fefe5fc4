//! What any proxy of hyper and rustls costs: TLS on both sides, one connection upstream for each client's, bodies passed on
//! as they come, and nothing looked at. The agent has to be compared with this to see what is its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use interceptor_tests::netns::Netns;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certs::Certs;
use crate::haproxy::wait_until_it_listens;

/// The first argument of the process that is this proxy.
pub const BARE: &str = "--bare";

/// Where it listens, on the clients' loopback.
pub const PORT: u16 = 9444;

/// A running bare proxy; it ends when dropped.
pub struct Bare(Child);

impl Bare {
    /// Starts it in `netns`, towards `server`, with its files in `dir`.
    pub fn start(
        netns: &Netns,
        dir: &Path,
        certs: &Certs,
        host: &str,
        server: &str,
    ) -> Result<Self> {
        let (leaf, ca) = (dir.join("bare.pem"), dir.join("bare-ca.pem"));
        std::fs::write(&leaf, certs.leaf_and_key())?;
        std::fs::write(&ca, &certs.ca)?;
        let child = Command::new("nsenter")
            .arg(format!("--net={}", netns.path().display()))
            .arg(std::env::current_exe()?)
            .arg(BARE)
            .args([&leaf, &ca])
            .args([host, server])
            .stdin(Stdio::null())
            .spawn()?;
        let mut started = Self(child);
        // Who listens may be somebody else.
        ensure!(
            wait_until_it_listens(netns, PORT)? && started.0.try_wait()?.is_none(),
            "the bare proxy does not listen"
        );
        Ok(started)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The proxy itself; `arguments` are those of [`Bare::start`].
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let arguments: Vec<_> = arguments.collect();
    let [leaf, ca, host, server] = &arguments[..] else {
        bail!("{BARE} LEAF CA HOST SERVER");
    };
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            CertificateDer::pem_file_iter(leaf)?.collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_file(leaf)?,
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let mut client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let upstream = Arc::new(Upstream {
        tls: Arc::new(client).into(),
        name: ServerName::try_from(host.clone())?,
        address: server.parse()?,
    });
    tokio::runtime::Runtime::new()?.block_on(accept(Arc::new(config).into(), upstream))
}

struct Upstream {
    tls: TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
}

impl Upstream {
    async fn connect(&self) -> Result<SendRequest<Incoming>> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(self.name.clone(), tcp).await?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn accept(acceptor: TlsAcceptor, upstream: Arc<Upstream>) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, upstream) = (acceptor.clone(), Arc::clone(&upstream));
        // A side that goes away ends the connection, and the load generator says what it misses.
        tokio::spawn(async move { serve(acceptor, upstream, stream).await.unwrap_or_default() });
    }
}

async fn serve(acceptor: TlsAcceptor, upstream: Arc<Upstream>, client: TcpStream) -> Result<()> {
    let tls = acceptor.accept(client).await?;
    let sender = Mutex::new(upstream.connect().await?);
    let service = service_fn(
        async |request: Request<Incoming>| -> Result<Response<Incoming>> {
            let mut sender = sender.lock().await;
            sender.ready().await?;
            sender.send_request(request).await.context("the provider")
        },
    );
    http1::Builder::new()
        .serve_connection(TokioIo::new(tls), service)
        .await?;
    Ok(())
}
