//! What a record says: who, when, where to, classes and counts, sizes and times. Never a value, a path or a header.

use std::{net::SocketAddr, time::Duration};

use serde::Serialize;
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime},
};

use crate::{id::Id, mask::Mode, who::Told};

/// Version of the records' format.
const VERSION: u8 = 1;

/// An exchange, as far as it is known when its answer begins.
#[derive(Debug)]
pub struct Exchange {
    /// When it began, as [`now`] told.
    pub time: String,
    /// The log's, and the error's.
    pub id: Id,
    /// The provider's name.
    pub host: String,
    /// Where the client was going.
    pub original: SocketAddr,
    /// The client's version of HTTP.
    pub http2: bool,
    /// One of HTTP's own, or `other`.
    pub method: &'static str,
    /// What kind of path; None, where that was not asked any more.
    pub endpoint: Option<&'static str>,
    /// The name of the policy that held.
    pub policy: String,
    /// Its mode.
    pub mode: Mode,
    /// The answer's status; None where the client did not wait for it.
    pub status: Option<u16>,
    /// Why it was refused.
    pub refused: Option<&'static str>,
    /// Classes found in the request.
    pub findings: Vec<Finding>,
    /// Classes found in the answer, where it is looked at.
    pub answer_findings: Vec<Finding>,
    /// Bytes of the request's body, from the client.
    pub request_bytes: u64,
    /// Bytes of the request's body, masked, as it was sent to the provider; None where it did not come to that.
    pub sent_bytes: Option<u64>,
    /// Time spent masking.
    pub masking: Duration,
}

/// A class in a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The class's name.
    pub class: &'static str,
    /// How often it was found.
    pub count: u32,
    /// `masked`, `blocked` or `reported`.
    pub done: &'static str,
}

/// How the answer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Bytes of its body, to the client.
    pub bytes: u64,
    /// Whether the client took it to its end.
    pub whole: bool,
    /// Since the request came.
    pub took: Duration,
}

impl Exchange {
    /// The line.
    pub fn line(&self, ended: Ended, who: Told<'_>) -> String {
        #[derive(Serialize)]
        struct Record<'r> {
            v: u8,
            kind: &'static str,
            time: &'r str,
            id: String,
            host: &'r str,
            original: SocketAddr,
            http: &'static str,
            method: &'static str,
            endpoint: Option<&'static str>,
            policy: &'r str,
            mode: &'static str,
            status: Option<u16>,
            refused: Option<&'static str>,
            findings: &'r [Finding],
            #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
            answer_findings: &'r [Finding],
            request_bytes: u64,
            sent_bytes: Option<u64>,
            answer_bytes: u64,
            answer: &'static str,
            masking_us: u64,
            ms: u64,
            who: Told<'r>,
        }
        line(&Record {
            v: VERSION,
            kind: "exchange",
            time: &self.time,
            id: self.id.to_string(),
            host: &self.host,
            original: self.original,
            http: if self.http2 { "2" } else { "1.1" },
            method: self.method,
            endpoint: self.endpoint,
            policy: &self.policy,
            mode: self.mode.name(),
            status: self.status,
            refused: self.refused,
            findings: &self.findings,
            answer_findings: &self.answer_findings,
            request_bytes: self.request_bytes,
            sent_bytes: self.sent_bytes,
            answer_bytes: ended.bytes,
            answer: if ended.whole { "whole" } else { "cut" },
            masking_us: u64::try_from(self.masking.as_micros()).unwrap_or(u64::MAX),
            ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            who,
        })
    }
}

/// A connection that was refused before there was a request.
#[derive(Debug)]
pub(super) struct Refused {
    /// The log's, and the error's where there is one.
    pub id: Id,
    /// `agent`, `kernel` or `listener`.
    pub by: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Where it was going; None of a request to a listener.
    pub original: Option<SocketAddr>,
}

impl Refused {
    /// The line.
    pub(super) fn line(&self, who: Told<'_>) -> String {
        #[derive(Serialize)]
        struct Record<'r> {
            v: u8,
            kind: &'static str,
            time: String,
            id: String,
            original: Option<SocketAddr>,
            refused: &'static str,
            by: &'static str,
            who: Told<'r>,
        }
        line(&Record {
            v: VERSION,
            kind: "connection",
            time: now(),
            id: self.id.to_string(),
            original: self.original,
            refused: self.reason,
            by: self.by,
            who,
        })
    }
}

/// Connections that were refused for one reason, too many for a record each.
#[derive(Debug)]
pub(super) struct Others {
    /// The log's.
    pub id: Id,
    /// `kernel`.
    pub by: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

impl Others {
    /// The line.
    pub(super) fn line(&self) -> String {
        #[derive(Serialize)]
        struct Record {
            v: u8,
            kind: &'static str,
            time: String,
            id: String,
            refused: &'static str,
            by: &'static str,
            count: u64,
        }
        line(&Record {
            v: VERSION,
            kind: "connections",
            time: now(),
            id: self.id.to_string(),
            refused: self.reason,
            by: self.by,
            count: self.count,
        })
    }
}

/// The time, as RFC 3339 has it, in UTC.
pub fn now() -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Keys are names and values are plain: nothing in a record fails to be JSON.
fn line(record: &impl Serialize) -> String {
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}
