//! The request's way through the masker: body, headers, target.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, request::Parts};
use tokio::runtime::Handle;

use super::Link;
use crate::{
    app::App,
    http::{coding::Codings, head},
    mask::{
        Mode,
        request::{Masking, Outcome, Report},
        token::TokenMap,
    },
    protocol::Endpoint,
    refusal::{Reason, Refusal},
    upstream::MaskedBody,
};

/// Bodies above this, and coded ones, are masked where they don't hold up other connections.
const LONG: usize = 256 * 1024;

/// A request that may leave.
pub(super) struct Masked {
    pub(super) parts: Parts,
    pub(super) body: MaskedBody,
    pub(super) tokens: Arc<TokenMap>,
    pub(super) report: Report,
    pub(super) took: Duration,
}

/// Masks everything that a process could put text into. The body comes first: its tokens are numbered without regard
/// to headers, which change from request to request.
pub(super) async fn request(
    link: &Link,
    endpoint: Option<Endpoint>,
    parts: Parts,
    body: Bytes,
) -> Result<Masked, Refusal> {
    let codings = Codings::of(&parts.headers)?;
    let long = body.len() > LONG || !codings.is_empty();
    let work = masked(Arc::clone(&link.app), endpoint, parts, codings, body);
    if !long {
        return work.await;
    }
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

async fn masked(
    app: Arc<App>,
    endpoint: Option<Endpoint>,
    mut parts: Parts,
    codings: Codings,
    body: Bytes,
) -> Result<Masked, Refusal> {
    let plain = if codings.is_empty() {
        body.clone()
    } else {
        codings.decode(&body, app.limits.request_body).await?.into()
    };
    let started = Instant::now();
    let mut masking = app.masker.begin();
    let masked = endpoint.map(|endpoint| masking.body(endpoint, &plain));
    let outcome = match masked.transpose() {
        // Nothing is enforced: what can't be read passes as it would without us.
        Err(_) if app.masker.mode() != Mode::Enforce => {
            Some(Outcome::Unchanged(app.masker.exempt_by_policy(plain)))
        }
        masked => masked?,
    };
    mask_headers(&mut masking, &mut parts)?;
    refuse_elsewhere(&mut masking, &parts)?;
    let (tokens, report) = masking.finish();
    let took = started.elapsed();
    let body = match outcome {
        None => MaskedBody::empty(),
        Some(Outcome::Unchanged(same)) => same.in_original_form(body).into(),
        Some(Outcome::Masked(masked)) if codings.is_empty() => masked.into(),
        Some(Outcome::Masked(masked)) => masked
            .recoded(async |plain| codings.encode(plain).await)
            .await?
            .into(),
    };
    Ok(Masked {
        parts,
        body,
        tokens: Arc::new(tokens),
        report,
        took,
    })
}

fn mask_headers(masking: &mut Masking<'_>, parts: &mut Parts) -> Result<(), Refusal> {
    for (name, value) in parts
        .headers
        .iter_mut()
        .filter(|(name, _)| head::is_text(name))
    {
        let text = String::from_utf8_lossy(value.as_bytes());
        if let Some(masked) = masking.text(&text)? {
            *value = HeaderValue::try_from(masked)
                .map_err(|_| Refusal::new(Reason::Unmaskable, format!("header {name}")))?;
        }
    }
    Ok(())
}

/// Where a token would ask for something else than was meant, a value that must not leave refuses the request.
fn refuse_elsewhere(masking: &mut Masking<'_>, parts: &Parts) -> Result<(), Refusal> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let names = parts
        .headers
        .keys()
        .map(|name| ("a header's name", Cow::from(name.as_str())));
    let texts = [
        ("the method", parts.method.as_str().into()),
        ("the path or the query", target.into()),
        ("the path or the query", head::percent_decoded(target)),
    ];
    for (place, text) in texts.into_iter().chain(names) {
        if masking.text(&text)?.is_some() {
            return Err(Refusal::new(Reason::Unmaskable, format!("in {place}")));
        }
    }
    Ok(())
}
