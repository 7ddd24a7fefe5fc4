//! What is told of an exchange: one log line, metrics, and an audit record. Classes and counts, never a value.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{Link, mask::Masked, relay::Seen};
use crate::{
    app::Terms,
    audit::{self, Ended, Finding, Slot},
    http::answer::Answer,
    id::Id,
    mask::{
        Mode,
        detector::Action,
        request::Report,
        response::Framing,
        watch::{Watched, Watching},
    },
    protocol::Route,
    refusal::{Reason, Refusal},
};

/// An exchange as it goes.
pub(super) struct Record<'l> {
    link: &'l Arc<Link>,
    terms: &'l Terms,
    id: Id,
    started: Instant,
    method: &'static str,
    findings: Vec<Finding>,
    masking: Duration,
    refused: Option<Reason>,
    route: Option<Route>,
    request_bytes: u64,
    sent_bytes: Option<u64>,
    audit: Option<(Slot, String)>,
    watching: Option<Watching>,
    ended: bool,
}

/// A client that goes away before its answer takes the exchange with it, but for this.
impl Drop for Record<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.log(None);
        if let Some((slot, time)) = self.audit.take() {
            let ended = Ended {
                bytes: 0,
                whole: false,
                took: self.started.elapsed(),
            };
            let exchange = self.exchange(time, None);
            slot.fill(exchange.line(ended, self.link.who.told()));
        }
    }
}

impl<'l> Record<'l> {
    pub(super) fn begin<B>(link: &'l Arc<Link>, terms: &'l Terms, request: &Request<B>) -> Self {
        Self {
            link,
            terms,
            id: Id::new(),
            started: Instant::now(),
            method: name(request.method()),
            findings: Vec::new(),
            masking: Duration::ZERO,
            refused: None,
            route: None,
            request_bytes: 0,
            sent_bytes: None,
            audit: None,
            watching: None,
            ended: false,
        }
    }

    /// There is room for its audit record.
    pub(super) fn admitted(&mut self, slot: Option<Slot>) {
        self.audit = slot.map(|slot| (slot, audit::now()));
    }

    pub(super) fn routed(&mut self, route: Route) {
        self.route = Some(route);
    }

    /// The body is there.
    pub(super) fn read(&mut self, bytes: usize) {
        self.request_bytes = bytes as u64;
    }

    pub(super) fn masked(&mut self, masked: &Masked) {
        self.findings = findings(self.link, self.terms, &masked.report, masked.took);
        self.masking = masked.took;
        self.sent_bytes = Some(masked.body.len() as u64);
    }

    /// The answer is looked at.
    pub(super) fn watching(&mut self, watching: Option<Watching>) {
        self.watching = watching;
    }

    /// How a stream ends that policy does not let go on, where its protocol has a way to say so.
    pub(super) fn farewell(&self, framing: Framing) -> Option<Bytes> {
        let refusal = Refusal::from(Reason::BlockedAnswer);
        self.watching.as_ref()?;
        refusal.event(self.link.host.protocol, framing, &self.id)
    }

    /// The connection becomes a WebSocket; its audit record is written when that ends.
    pub(super) fn opened(mut self, terms: Arc<Terms>, status: StatusCode) -> Opened {
        self.ended = true;
        self.log(Some(status));
        let audit = self.audit.take();
        let audit = audit.map(|(slot, time)| (slot, self.exchange(time, Some(status))));
        Opened {
            link: Arc::clone(self.link),
            terms,
            id: self.id,
            started: self.started,
            refused: None,
            blocked: None,
            audit,
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) -> Response<Answer> {
        self.refused = Some(refusal.reason);
        if let Some(class) = refusal.class {
            self.findings.push(Finding {
                class,
                count: 1,
                done: "blocked",
            });
        }
        self.link.app.metrics.refused(refusal.reason.as_str());
        let is_grpc = matches!(self.route, Some(Route::Body(endpoint)) if endpoint.is_grpc());
        let mut response = match is_grpc && self.link.target.http2 {
            true => refusal.grpc_response(&self.id),
            false => refusal.response(self.link.host.protocol, &self.id),
        };
        if refusal.reason == Reason::BadRequest && !self.link.target.http2 {
            // Nobody knows where such a request ends, and so where the next one begins (RFC 9112 §6.1).
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response.map(Answer::Own)
    }

    /// The answer begins; its audit record is written when it ends.
    pub(super) fn end(mut self, response: Response<Answer>) -> Response<Answer> {
        self.ended = true;
        self.log(Some(response.status()));
        let audit = self.audit.take();
        let audit = audit.map(|(slot, time)| (slot, self.exchange(time, Some(response.status()))));
        let watching = self.watching.take();
        if audit.is_none() && watching.is_none() {
            return response;
        }
        let (link, id, refused, started) =
            (Arc::clone(self.link), self.id, self.refused, self.started);
        response.map(|answer| {
            answer.counted(move |bytes, whole| {
                let (found, blocked) = watched(&link, id, watching.as_ref(), refused);
                let Some((slot, mut exchange)) = audit else {
                    return;
                };
                exchange.answer_findings = found;
                exchange.refused = exchange.refused.or(blocked.map(Reason::as_str));
                let ended = Ended {
                    bytes,
                    whole: whole && blocked.is_none(),
                    took: started.elapsed(),
                };
                slot.fill(exchange.line(ended, link.who.told()));
            })
        })
    }

    /// Without a status, there was nobody left to answer.
    fn log(&self, status: Option<StatusCode>) {
        let Link {
            app,
            host,
            target,
            who,
            ..
        } = &**self.link;
        let (process, group, container) = (&who.process, &who.group, &who.container);
        let policy = self.terms.name.as_deref();
        app.metrics.exchange(host.protocol.name(), status, policy);
        tracing::info!(
            id = %self.id,
            host = %target.host,
            method = self.method,
            status = status.map(|status| status.as_u16()),
            refused = self.refused.map(Reason::as_str),
            findings = listed(&self.findings),
            policy,
            peer = who.peer.map(tracing::field::display),
            pid = process.known_pid(),
            uid = process.known_uid(),
            comm = process.comm,
            command = who.command,
            cgroup = group.path,
            unit = group.unit,
            container = group.container,
            image = container.image,
            pod = group.pod,
            pod_namespace = container.pod_namespace,
            pod_name = container.pod_name,
            masking_us = u64::try_from(self.masking.as_micros()).unwrap_or(u64::MAX),
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "exchange"
        );
    }

    fn exchange(&mut self, time: String, status: Option<StatusCode>) -> audit::Exchange {
        let target = &self.link.target;
        audit::Exchange {
            time,
            id: self.id,
            host: target.host.to_string(),
            original: target.original.0,
            http2: target.http2,
            method: self.method,
            endpoint: self.route.map(Route::name),
            policy: self.terms.name.as_deref().unwrap_or("default").to_owned(),
            mode: self.terms.decisions.mode,
            status: status.map(|status| status.as_u16()),
            refused: self.refused.map(Reason::as_str),
            findings: std::mem::take(&mut self.findings),
            answer_findings: Vec::new(),
            request_bytes: self.request_bytes,
            sent_bytes: self.sent_bytes,
            masking: self.masking,
        }
    }
}

/// A WebSocket as it goes.
pub(super) struct Opened {
    link: Arc<Link>,
    terms: Arc<Terms>,
    id: Id,
    started: Instant,
    refused: Option<Reason>,
    blocked: Option<Finding>,
    audit: Option<(Slot, audit::Exchange)>,
}

impl Opened {
    /// A message may not go on; what to tell the client.
    pub(super) fn refused(&mut self, refusal: &Refusal) -> String {
        self.refused = Some(refusal.reason);
        self.blocked = refusal.class.map(|class| Finding {
            class,
            count: 1,
            done: "blocked",
        });
        self.link.app.metrics.refused(refusal.reason.as_str());
        refusal.message(&self.id)
    }

    /// Both ends are told, or `closed` it themselves.
    pub(super) fn ended(
        mut self,
        seen: &Seen,
        answer_bytes: u64,
        watching: Option<&Watching>,
        closed: bool,
    ) {
        let (found, _) = watched(&self.link, self.id, watching, self.refused);
        let mut findings = findings(&self.link, &self.terms, &seen.report, seen.took);
        findings.extend(self.blocked.take());
        let took = self.started.elapsed();
        tracing::info!(
            id = %self.id,
            host = %self.link.target.host,
            refused = self.refused.map(Reason::as_str),
            findings = listed(&findings),
            masking_us = u64::try_from(seen.took.as_micros()).unwrap_or(u64::MAX),
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "websocket ended"
        );
        if let Some((slot, mut exchange)) = self.audit.take() {
            exchange.refused = self.refused.map(Reason::as_str);
            add(&mut exchange.findings, findings);
            exchange.answer_findings = found;
            exchange.request_bytes = seen.came;
            exchange.sent_bytes = Some(seen.went);
            exchange.masking += seen.took;
            let ended = Ended {
                bytes: answer_bytes,
                whole: closed && self.refused.is_none(),
                took,
            };
            slot.fill(exchange.line(ended, self.link.who.told()));
        }
    }
}

/// An end that goes away before it had its answer takes the WebSocket with it, but for this.
impl Drop for Opened {
    fn drop(&mut self) {
        if let Some((slot, exchange)) = self.audit.take() {
            let ended = Ended {
                bytes: 0,
                whole: false,
                took: self.started.elapsed(),
            };
            slot.fill(exchange.line(ended, self.link.who.told()));
        }
    }
}

/// Puts findings of messages to those of the handshake.
fn add(findings: &mut Vec<Finding>, more: Vec<Finding>) {
    for found in more {
        let same = |other: &&mut Finding| (other.class, other.done) == (found.class, found.done);
        match findings.iter_mut().find(same) {
            Some(same) => same.count += found.count,
            None => findings.push(found),
        }
    }
}

/// What a report says to log and audit; metrics have it at once.
fn findings(link: &Link, terms: &Terms, report: &Report, took: Duration) -> Vec<Finding> {
    let masker = &terms.masker;
    let done = |class| match masker.action(class) {
        Action::Mask if masker.mode() == Mode::Enforce => "masked",
        _ => "reported",
    };
    let finding = |&(class, count)| Finding {
        class: masker.class(class).name,
        count,
        done: done(class),
    };
    let findings: Vec<_> = report.findings.iter().map(finding).collect();
    let counts = findings.iter().map(|found| (found.class, found.count));
    let metrics = &link.app.metrics;
    metrics.masked(took, report.fields, counts);
    let (all, known) = (report.unit_bytes, report.cached_bytes);
    metrics.looked_at(all - known, known);
    findings
}

/// What was seen in an answer, to log, metrics and audit; and why it ended, if nobody has been told so yet.
fn watched(
    link: &Link,
    id: Id,
    watching: Option<&Watching>,
    refused: Option<Reason>,
) -> (Vec<Finding>, Option<Reason>) {
    let Some(watching) = watching else {
        return Default::default();
    };
    let seen = watching.report().into_iter();
    let seen = seen.map(|Watched { class, count, done }| Finding { class, count, done });
    let found: Vec<_> = seen.collect();
    let metrics = &link.app.metrics;
    metrics.watched(found.iter().map(|found| (found.class, found.count)));
    let blocked = watching.blocked().filter(|_| refused.is_none());
    let blocked = blocked.map(|_| Reason::BlockedAnswer);
    if let Some(reason) = blocked {
        metrics.refused(reason.as_str());
    }
    if !found.is_empty() {
        tracing::warn!(
            id = %id,
            host = %link.target.host,
            refused = refused.or(blocked).map(Reason::as_str),
            findings = listed(&found),
            "sensitive answer"
        );
    }
    (found, blocked)
}

/// As `class=count,class=count`.
fn listed(findings: &[Finding]) -> String {
    let mut list = String::new();
    for Finding { class, count, .. } in findings {
        let separator = if list.is_empty() { "" } else { "," };
        // Writing to a String can't fail.
        let _ = write!(list, "{separator}{class}={count}");
    }
    list
}

/// A client can call any method, also by a value's name.
fn name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("other")
}
