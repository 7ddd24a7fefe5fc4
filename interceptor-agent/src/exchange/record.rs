//! What is told of an exchange: one log line, and metrics. Classes and counts, never a value.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, Request, Response, header};

use super::Link;
use crate::{
    http::answer::Answer,
    id::Id,
    mask::request::{Masker, Report},
    refusal::{Reason, Refusal},
};

/// An exchange as it goes.
pub(super) struct Record<'l> {
    link: &'l Link,
    id: Id,
    started: Instant,
    method: Method,
    findings: String,
    masking: Duration,
    refused: Option<Reason>,
}

impl<'l> Record<'l> {
    pub(super) fn begin<B>(link: &'l Link, request: &Request<B>) -> Self {
        Self {
            link,
            id: Id::new(),
            started: Instant::now(),
            method: request.method().clone(),
            findings: String::new(),
            masking: Duration::ZERO,
            refused: None,
        }
    }

    pub(super) fn masked(&mut self, masker: &Masker, report: &Report, took: Duration) {
        let counts = || {
            report
                .findings
                .iter()
                .map(|(class, count)| (masker.class(*class).name, *count))
        };
        self.link.app.metrics.masked(took, report.fields, counts());
        for (class, count) in counts() {
            let separator = if self.findings.is_empty() { "" } else { "," };
            // Writing to a String can't fail.
            let _ = write!(self.findings, "{separator}{class}={count}");
        }
        self.masking = took;
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) -> Response<Answer> {
        self.refused = Some(refusal.reason);
        self.link.app.metrics.refused(refusal.reason.as_str());
        let mut response = refusal.response(self.link.host.protocol, &self.id);
        if refusal.reason == Reason::BadRequest && !self.link.target.http2 {
            // Nobody knows where such a request ends, and so where the next one begins (RFC 9112 §6.1).
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response.map(Answer::Own)
    }

    pub(super) fn end(self, response: &Response<Answer>) {
        let Link {
            app,
            host,
            target,
            who,
            ..
        } = self.link;
        let (process, group) = (&who.process, &who.group);
        app.metrics
            .exchange(host.protocol.name(), response.status());
        tracing::info!(
            id = %self.id,
            host = %target.host,
            method = %self.method,
            status = response.status().as_u16(),
            refused = self.refused.map(Reason::as_str),
            findings = self.findings,
            peer = who.peer.map(tracing::field::display),
            pid = process.pid,
            uid = process.uid,
            comm = process.comm,
            command = who.command,
            cgroup = group.path,
            unit = group.unit,
            container = group.container,
            pod = group.pod,
            masking_us = u64::try_from(self.masking.as_micros()).unwrap_or(u64::MAX),
            ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "exchange"
        );
    }
}
