//! The life of one connection to a listener, top to bottom. A client that nothing steers comes by itself: with CONNECT, or with
//! an LLM host as the first part of the path. From there on it is a connection, or an exchange, like any other.

mod names;
mod peer;
mod rules;
mod target;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch, time::timeout};

use crate::{
    app::{App, Policy},
    config::Endpoint,
    connection::{self, Arrival},
    exchange::{self, Link, Upgraded},
    http::{
        answer::Answer,
        body, head,
        head_guard::{HeadGuard, Watched},
    },
    id::Id,
    intercept::{self, Asked},
    original_dst::{OrigDstAddr, Steered},
    protocol::Protocol,
    refusal::{Reason, Refusal},
    steering::netns::Netns,
    upstream::Target,
    who::Who,
};
use names::Names;
pub use peer::Peer;
pub use rules::{Rules, TokenError};

/// A listener, as its connections see it.
pub struct Door {
    /// Where it is, as the config has it.
    pub at: Endpoint,
    /// From where its clients' connections go on.
    netns: Arc<Netns>,
    names: Names,
}

impl Door {
    /// One whose clients go on from `netns`.
    pub fn new(at: Endpoint, netns: Arc<Netns>) -> Self {
        Self {
            at,
            netns,
            names: Names::default(),
        }
    }
}

/// Takes an accepted connection from its first byte to its last.
pub async fn serve(app: Arc<App>, door: Arc<Door>, client: TcpStream, peer: Peer) {
    let _open = app.metrics.open();
    // Boxed and gone by then: tunnels are many and last, and must not be as big as this.
    let Some(tunnel) = Box::pin(requests(&app, door, client, peer)).await else {
        return;
    };
    let Some((client, read)) = stream(tunnel.upgrade).await else {
        return;
    };
    connection::carry(&app, tunnel.arrival, client, read, tunnel.server).await
}

/// Serves requests, until one of them makes a tunnel of the connection.
async fn requests(
    app: &Arc<App>,
    door: Arc<Door>,
    client: TcpStream,
    peer: Peer,
) -> Option<Tunnel> {
    let limits = app.policy().limits.clone();
    // A kept connection may be silent for longer than a new one.
    timeout(limits.header_timeout, client.readable())
        .await
        .ok()?
        .ok()?;
    let metrics = app.metrics.clone();
    let too_slow = move || {
        metrics.refused(Reason::HeadTimeout.as_str());
        Refusal::from(Reason::HeadTimeout).plain_response(Protocol::None, &Id::new())
    };
    let guard = HeadGuard::default();
    let io = TokioIo::new(guard.watch(client, limits.header_timeout, too_slow));
    let visit = Arc::new(Visit {
        app: Arc::clone(app),
        door,
        own: peer.own_end(),
        who: peer.who().await,
        guard,
        upgraded: Arc::default(),
        tunnel: Mutex::default(),
    });
    let (ask, asked) = watch::channel(());
    let service = service_fn(|request| {
        ask.send_replace(());
        answer(Arc::clone(&visit), request)
    });
    let connection = connection::http1(&limits)
        .serve_connection(io, service)
        .with_upgrades();
    connection::to_its_end(app, asked, connection, |it| it.graceful_shutdown()).await;
    visit.upgraded.carry().await;
    visit.tunnel().take()
}

/// What was upgraded, and what of it was read already.
async fn stream(upgrade: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    // The client may be gone before it had its answer.
    let parts = upgrade
        .await
        .ok()?
        .downcast::<TokioIo<Watched<TcpStream>>>();
    let parts = parts.ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}

/// A connection to a listener, as its requests see it.
struct Visit {
    app: Arc<App>,
    door: Arc<Door>,
    /// Our end; a Unix socket has none.
    own: Option<SocketAddr>,
    who: Who,
    guard: HeadGuard,
    upgraded: Arc<Upgraded>,
    tunnel: Mutex<Option<Tunnel>>,
}

/// What a CONNECT has come to.
struct Tunnel {
    upgrade: OnUpgrade,
    arrival: Arrival,
    /// Connected already, where the host is no LLM host.
    server: Option<TcpStream>,
}

async fn answer(
    visit: Arc<Visit>,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let policy = visit.app.policy();
    let done = match visit.admit(&policy, &request) {
        Err(refusal) => Err(refusal),
        Ok(rules) if request.method() == Method::CONNECT => {
            visit.connect(&policy, rules, &mut request).await
        }
        Ok(_) => match visit.link(&policy, &mut request).await {
            Ok(link) => return exchange::run(Arc::new(link), request).await,
            Err(refusal) => {
                body::discard(request.body_mut()).await;
                Err(refusal)
            }
        },
    };
    visit.guard.next();
    let mut response = match done {
        Ok(()) => Response::new(Answer::Own(Full::default())),
        Err(refusal) => visit.refuse(&refusal),
    };
    if !request.body().is_end_stream() {
        // Whoever may not ask is not listened to either: what follows would be taken for the next request.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response)
}

impl Visit {
    /// Who may ask at all.
    fn admit<'p>(
        &self,
        policy: &'p Policy,
        request: &Request<Incoming>,
    ) -> Result<&'p Rules, Refusal> {
        let rules = policy.listeners.get(&self.door.at);
        let rules = rules.ok_or(Reason::Internal)?;
        rules.admit(self.who.process.uid, request.headers())?;
        if target::is_of_a_page(request) {
            return Err(Reason::WebPage.into());
        }
        Ok(rules)
    }

    /// Gets a tunnel ready.
    async fn connect(
        &self,
        policy: &Policy,
        rules: &Rules,
        request: &mut Request<Incoming>,
    ) -> Result<(), Refusal> {
        let (host, port) = target::of_connect(request.uri()).ok_or(Reason::BadRequest)?;
        is_steered(policy, port)?;
        let asked = Asked {
            host,
            others: rules.others,
        };
        let is_llm = intercept::admit(&policy.hosts, &asked)?;
        let patience = policy.limits.connect_timeout;
        let addresses = self.door.names.of(&asked.host, port, patience).await?;
        let (original, server) = if is_llm {
            (names::first(&addresses)?, None)
        } else {
            let (original, server) = self.dial(policy, &addresses).await?;
            (original, Some(server))
        };
        let arrival = Arrival {
            netns: Arc::clone(&self.door.netns),
            steered: Steered {
                original,
                process: self.who.process.clone(),
            },
            asked: Some(asked),
            who: Some(self.who.clone()),
        };
        *self.tunnel() = Some(Tunnel {
            upgrade: hyper::upgrade::on(request),
            arrival,
            server,
        });
        Ok(())
    }

    /// The first of some addresses that answers. None of them may be this machine: what listens here for this machine alone
    /// is not for the listener's clients.
    async fn dial(
        &self,
        policy: &Policy,
        addresses: &[SocketAddr],
    ) -> Result<(OrigDstAddr, TcpStream), Refusal> {
        let elsewhere = names::elsewhere(addresses, &self.door.netns)?;
        let mut failed = Refusal::from(Reason::Unreachable);
        for original in elsewhere {
            match policy.upstream.dial(&self.door.netns, original).await {
                Ok(server) => return Ok((original, server)),
                Err(error) => failed.detail = error.to_string(),
            }
        }
        Err(failed)
    }

    /// Turns a request for `/HOST/PATH` into one for `/PATH` at that host.
    async fn link(
        &self,
        policy: &Policy,
        request: &mut Request<Incoming>,
    ) -> Result<Link, Refusal> {
        if !self.door.at.is_local() {
            return Err(Reason::InTheClear.into());
        }
        if request.uri().scheme().is_some() {
            return Err(Reason::PlainProxy.into());
        }
        if self.own.is_some_and(|own| !target::is_for(request, own)) {
            return Err(Reason::WebPage.into());
        }
        let based = target::of_base_url(request.uri()).ok_or(Reason::NoTarget)?;
        let host = policy.hosts.lookup(&based.host).ok_or(Reason::NoTarget)?;
        is_steered(policy, based.port)?;
        let patience = policy.limits.connect_timeout;
        let addresses = self
            .door
            .names
            .of(&based.host, based.port, patience)
            .await?;
        let target = Target {
            original: names::first(&addresses)?,
            host: based.host.as_str().into(),
            netns: Arc::clone(&self.door.netns),
            http2: false,
        };
        head::remove(request.headers_mut(), |name| {
            name == header::PROXY_AUTHORIZATION
        });
        based.apply(request);
        Ok(Link {
            app: Arc::clone(&self.app),
            host: host.clone(),
            target,
            who: self.who.clone(),
            guard: self.guard.clone(),
            upgraded: Arc::clone(&self.upgraded),
        })
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Answer> {
        let (id, reason, process) = (Id::new(), refusal.reason, &self.who.process);
        self.app.metrics.refused(reason.as_str());
        let audit = &self.app.audit;
        audit.refused_by_listener(id, reason.as_str(), &self.who);
        tracing::warn!(
            %id,
            reason = reason.as_str(),
            listener = %self.door.at,
            peer = self.who.peer.map(tracing::field::display),
            pid = process.known_pid(),
            uid = process.known_uid(),
            comm = process.comm,
            next_step = reason.next_step(),
            "request to a listener refused"
        );
        refusal.response(Protocol::None, &id).map(Answer::Own)
    }

    fn tunnel(&self) -> std::sync::MutexGuard<'_, Option<Tunnel>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_steered(policy: &Policy, port: u16) -> Result<(), Refusal> {
    match policy.ports.contains(&port) {
        true => Ok(()),
        false => Err(Reason::OtherPort.into()),
    }
}
