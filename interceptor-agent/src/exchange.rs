//! One request and its response, top to bottom.

mod mask;
mod record;
mod relay;
mod respond;
mod sign;

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response, header};
use hyper::body::{Body as _, Incoming};

use crate::{
    app::{App, Policy, Terms},
    config::PathPolicy,
    hosts::Host,
    http::{
        answer::Answer,
        body::{self, BodyError},
        head,
        head_guard::{HeadGuard, Seen},
    },
    mask::{Mode, unmask::Tokens, watch::Watch},
    protocol::{Endpoint, GENERIC, PIECE, Route, route},
    refusal::{Reason, Refusal},
    upstream::Target,
    who::Who,
};
use record::Record;
use relay::Ends;
pub use relay::Upgraded;

/// An intercepted connection, as its requests see it.
pub struct Link {
    /// What all connections share.
    pub app: Arc<App>,
    /// The host's entry.
    pub host: Host,
    /// Where requests go on.
    pub target: Target,
    /// Who connected.
    pub who: Who,
    /// Sees raw HTTP/1.1 heads.
    pub guard: HeadGuard,
    /// What the connection has become by a request.
    pub upgraded: Arc<Upgraded>,
}

/// Answers one request. Whatever goes wrong before the provider has it ends in a refusal.
pub async fn run(
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let policy = link.app.policy();
    let terms = policy.terms(&link.who);
    let (parts, mut body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let mut record = Record::begin(&link, terms, &request);
    let expects = request.headers().contains_key(header::EXPECT);
    let response = match forward(&link, &policy, terms, request, &mut body, &mut record).await {
        Ok((response, None)) => response,
        Ok((response, Some(ends))) => {
            let opened = record.opened(Arc::clone(terms), response.status());
            ends.carry_on(link, opened);
            return Ok(response);
        }
        Err(refusal) => {
            let stalled = refusal.reason == Reason::BodyTimeout;
            let response = record.refuse(refusal);
            // A client that is still sending would take the end of the connection for the answer; one that waits for
            // a go-ahead, or has stopped, sends nothing.
            let waits = expects && !body.is_end_stream();
            if !waits && !stalled {
                body::discard(&mut body).await;
                link.guard.next();
            }
            response
        }
    };
    Ok(record.end(response))
}

async fn forward(
    link: &Link,
    policy: &Policy,
    terms: &Arc<Terms>,
    request: Request<()>,
    body: &mut Incoming,
    record: &mut Record<'_>,
) -> Result<(Response<Answer>, Option<Ends>), Refusal> {
    let limits = &policy.limits;
    record.admitted(link.app.audit.admit().await?);
    let seen = link.guard.take();
    admit(link, terms, &request, seen.as_ref())?;
    let names = mask::Names::of(request.headers(), seen);
    let route = find(link, &request);
    record.routed(route);
    if let Route::WebSocket(endpoint) = route {
        return relay::open(link, policy, terms, endpoint, names, request, record).await;
    }
    let (endpoint, answered) = endpoint(link, terms, route, &request)?;
    let most = endpoint.map_or(0, |_| limits.request_body);
    let body = body::read(body, most, limits.body_timeout).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLong(0) => Refusal::new(Reason::BadRequest, "this path takes no body"),
        error => error.into(),
    })?;
    record.read(body.len());
    link.guard.next();
    let (parts, ()) = request.into_parts();

    // Where nothing is masked, no token is given out that could come back.
    let vault = link.app.vault.as_ref();
    let vault = vault.filter(|_| terms.masker.mode() == Mode::Enforce);
    let way = mask::Way {
        limit: limits.request_body,
        // One that is empty may come in frames of its own, and hides nothing.
        endpoint: endpoint.filter(|_| !body.is_empty()),
        answered,
        names,
        handshake: false,
        credential: link.host.protocol.credential(),
        tenant: vault.map(|vault| vault.tenant(terms.name.as_deref())),
    };
    let tenant = way.tenant.clone();
    let masked = mask::request(terms, way, parts, body).await?;
    record.masked(&masked);
    if masked.report.unreadable > 0 {
        passes_unread(link, terms);
    }
    if masked.unanalyzed {
        let_through(link, PathPolicy::Allow, Reason::Analyzer);
    }
    let mut parts = masked.parts;
    head::strip_hop(&mut parts.headers);
    head::remove(&mut parts.headers, |name| name == header::EXPECT);
    if answered.is_grpc() {
        head::for_grpc(&mut parts.headers);
    }
    head::set_length(&mut parts.headers, masked.body.len());
    let watching = terms.watch.as_ref().map(Watch::begin);
    record.watching(watching.clone());
    let mut tokens = Tokens::new(masked.tokens).watched(watching);
    let others = tenant.filter(|_| masked.scheme.knows_keyed());
    if others.is_some() {
        tokens = tokens.with_keyed(terms.masker.labels());
    }
    if !tokens.is_empty() {
        head::ask_for_whole(&mut parts.headers);
    }
    if masked.changed {
        sign::again(policy.signer.as_ref(), &mut parts, masked.body.as_bytes())?;
    }

    let request = Request::from_parts(parts, masked.body);
    let response = policy.upstream.send(&link.target, request).await?;
    link.app
        .learn(link.target.original.0.ip(), &link.host, &link.target.host);
    let farewell = |framing| record.farewell(framing);
    let limit = limits.response_body;
    let answer = respond::unmasked(response, answered, tokens, others, limit, farewell);
    Ok((answer.await?, None))
}

/// One host, which policy allows, and one reading of the framing.
fn admit(
    link: &Link,
    terms: &Terms,
    request: &Request<()>,
    seen: Option<&Seen>,
) -> Result<(), Refusal> {
    let target = &link.target;
    if !head::is_for(request, &target.host, target.original.0.port()) {
        return Err(Reason::HostMismatch.into());
    }
    if !terms.decisions.allows(&target.host) {
        return Err(Reason::HostNotAllowed.into());
    }
    if target.http2 {
        return Ok(());
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(_), None) if seen.is_some_and(|seen| !seen.is_ambiguous()) => {}
        _ => {
            return Err(Refusal::new(
                Reason::BadRequest,
                "Content-Length and Transfer-Encoding leave open where it ends",
            ));
        }
    }
    Ok(())
}

fn find(link: &Link, request: &Request<()>) -> Route {
    let (host, path) = (&link.host, request.uri().path());
    let (method, websocket) = (request.method().as_str(), head::is_websocket(request));
    host.api_path(path).map_or(Route::Unknown, |path| {
        route(host.protocol, &host.paths, method, path, websocket)
    })
}

/// How the body is read, if there may be one, and how the answer is.
fn endpoint(
    link: &Link,
    terms: &Terms,
    found: Route,
    request: &Request<()>,
) -> Result<(Option<&'static Endpoint>, &'static Endpoint), Refusal> {
    let decisions = &terms.decisions;
    let (path_policy, reason) = match found {
        // Opened before anything is read.
        Route::WebSocket(_) => return Err(Reason::Internal.into()),
        Route::Body(endpoint) if endpoint == &PIECE && blocks(terms, decisions.unreadable) => {
            let what = "a piece of a larger upload: what stands across its ends can't be seen";
            return Err(Refusal::new(Reason::Unreadable, what));
        }
        Route::Body(endpoint) | Route::OptionalBody(endpoint) => {
            return Ok((Some(endpoint), endpoint));
        }
        Route::NoBody(endpoint) => return Ok((None, endpoint)),
        Route::UpgradeRequired => return Err(Reason::UpgradeRequired.into()),
        Route::SidePath => (decisions.side_path, Reason::SidePath),
        Route::Unknown => (decisions.unknown_path, Reason::UnknownPath),
    };
    // A WebSocket's frames would pass unmasked once it is open, whatever the policy says of its path.
    if head::is_websocket(request) || blocks(terms, path_policy) {
        return Err(reason.into());
    }
    let_through(link, path_policy, reason);
    Ok((Some(&GENERIC), &GENERIC))
}

fn blocks(terms: &Terms, policy: PathPolicy) -> bool {
    policy == PathPolicy::Block && terms.decisions.mode == Mode::Enforce
}

/// Content went on that nobody could read.
fn passes_unread(link: &Link, terms: &Terms) {
    let_through(link, terms.decisions.unreadable, Reason::Unreadable);
}

fn let_through(link: &Link, policy: PathPolicy, reason: Reason) {
    link.app.metrics.let_through(reason.as_str());
    if policy != PathPolicy::Allow {
        tracing::warn!(host = %link.target.host, reason = reason.as_str(), "let through by policy");
    }
}

#[cfg(test)]
mod tests;
