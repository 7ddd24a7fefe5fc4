//! How a request's tokens are numbered: by key where the provider keeps what is sent.

use std::{collections::HashSet, sync::Arc};

use memchr::memmem;

use super::Way;
use crate::{
    json::{self, Kind, Value},
    mask::token::Scheme,
    protocol::{Keeps, Mark},
};

/// For a request with this body, decoded. `taken` stand for other values.
pub(super) fn of(way: &Way, body: &[u8], taken: Arc<HashSet<String>>) -> Scheme {
    let Some(tenant) = &way.tenant else {
        return Scheme::Counted;
    };
    let state = way.answered.state();
    let keeps = match state.keeps {
        Keeps::Never => false,
        Keeps::If(marks) => bears(body, marks),
        Keeps::Always => true,
    };
    // Without a body something kept is asked for.
    let shows = match way.endpoint {
        None => state.keeps != Keeps::Never,
        Some(_) => state.shows.iter().any(|key| names(body, key)),
    };
    match (keeps, shows) {
        (true, _) => Scheme::Keyed(tenant.numbers().clone(), taken),
        (false, true) => Scheme::Beside,
        (false, false) => Scheme::Counted,
    }
}

fn bears(body: &[u8], marks: &[Mark]) -> bool {
    let may = marks.iter().any(|mark| match mark {
        Mark::True(key) | Mark::Member(key) => names(body, key),
        Mark::Tool(kind) => memmem::find(body, format!("\"{kind}").as_bytes()).is_some(),
    });
    may && json::parse(body).is_ok_and(|doc| marks.iter().any(|mark| is_marked(doc.root(), *mark)))
}

fn is_marked(body: Value, mark: Mark) -> bool {
    let is_of = |tool: Value, kind: &str| {
        let mut members = tool.entries().filter(|(name, _)| name.is_str("type"));
        members.any(|(_, value)| value.text().is_some_and(|text| text.starts_with(kind)))
    };
    body.entries().any(|(name, value)| match mark {
        Mark::True(key) => name.is_str(key) && value.kind() == Kind::True,
        Mark::Member(key) => name.is_str(key) && value.kind() != Kind::Null,
        Mark::Tool(kind) => name.is_str("tools") && value.items().any(|tool| is_of(tool, kind)),
    })
}

/// Whether there may be such a key in it, wherever it stands.
fn names(body: &[u8], key: &str) -> bool {
    memmem::find(body, format!("\"{key}\"").as_bytes()).is_some()
}
