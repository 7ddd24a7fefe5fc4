//! The stub LLM provider: real TLS, HTTP/1.1 and HTTP/2, IPv4 and IPv6, on a thread in a namespace of its own.
//!
//! It writes down every byte it gets ([`Record`]) and answers Anthropic Messages, OpenAI Chat Completions and Responses, Gemini,
//! Cohere, Ollama and MCP, plain and streaming, by giving the user's text back. [`answer::Knobs`] says what a model name can ask for.

pub mod answer;
mod anthropic;
mod bedrock;
mod cohere;
pub mod flaw;
mod gemini;
mod grpc;
mod kept;
mod mcp;
mod ollama;
mod openai;
mod paced;
mod proxy;
mod record;
mod responses;
mod server;
mod tls;
mod upload;
mod websocket;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

use crate::netns::Netns;

pub use self::record::{Record, Seen};

/// A running stub; it stops when dropped.
pub struct Upstream {
    record: Record,
    ca_file: PathBuf,
    ca_pem: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Sockets {
    https: TcpListener,
    http: TcpListener,
    quic: UdpSocket,
}

impl Upstream {
    /// Listens on 443 (TCP, and UDP to catch QUIC) and 80 of every address of `netns`; leaves its CA in `dir`.
    pub fn start(netns: &Netns, dir: &Path) -> Result<Self> {
        let ca = tls::Ca::new()?;
        let (ca_pem, ca_file) = (ca.pem(), dir.join("provider-ca.pem"));
        fs::write(&ca_file, &ca_pem)?;
        let record = Record::default();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let handle = fs::File::open(netns.path())?;
        let seen = record.clone();
        let thread = thread::Builder::new()
            .name("provider".into())
            .spawn(move || {
                let serve = || -> Result<_> {
                    crate::sys::enter(&handle).context("can't enter the provider's namespace")?;
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    let sockets = runtime.block_on(bind())?;
                    Ok((runtime, sockets))
                };
                match serve() {
                    Ok((runtime, sockets)) => {
                        let _ = ready.send(Ok(()));
                        runtime.block_on(async {
                            tokio::select! {
                                _ = stopped => {}
                                () = server::serve(sockets, ca, seen) => {}
                            }
                        });
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            })?;
        started.recv().context("the provider's thread died")??;
        Ok(Self {
            record,
            ca_file,
            ca_pem,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Everything it got so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The CA that its certificates come from, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A file with [`Self::ca_pem`].
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed already.
            let _ = thread.join();
        }
    }
}

/// IPv6 sockets take IPv4 too.
async fn bind() -> Result<Sockets> {
    let any = Ipv6Addr::UNSPECIFIED;
    Ok(Sockets {
        https: TcpListener::bind((any, 443)).await?,
        http: TcpListener::bind((any, 80)).await?,
        quic: UdpSocket::bind((any, 443)).await?,
    })
}
