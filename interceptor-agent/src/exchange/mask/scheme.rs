//! How a request's tokens are numbered: by key where the provider keeps what is sent.

use std::{collections::HashSet, sync::Arc};

use super::Way;
use crate::{
    json::{self, Kind},
    mask::token::Scheme,
    protocol::Keeps,
};

/// For a request with this body, decoded. `taken` stand for other values.
pub(super) fn of(way: &Way, body: &[u8], taken: Arc<HashSet<String>>) -> Scheme {
    let Some(tenant) = &way.tenant else {
        return Scheme::Counted;
    };
    let state = way.answered.state();
    let keeps = match state.keeps {
        Keeps::Never => false,
        Keeps::If(key) => is_true(body, key),
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

fn is_true(body: &[u8], key: &str) -> bool {
    let is = |doc: json::Doc| {
        let mut members = doc.root().entries();
        members.any(|(name, value)| name.is_str(key) && value.kind() == Kind::True)
    };
    names(body, key) && json::parse(body).is_ok_and(is)
}

/// Whether there may be such a key in it, wherever it stands.
fn names(body: &[u8], key: &str) -> bool {
    memchr::memmem::find(body, format!("\"{key}\"").as_bytes()).is_some()
}
