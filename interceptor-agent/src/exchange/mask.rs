//! The request's way through the masker: body, headers, target.

mod fields;
mod scheme;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{header::CONTENT_ENCODING, request::Parts};
use tokio::runtime::Handle;

pub(super) use self::fields::Names;
use crate::{
    app::Terms,
    config::{PathPolicy, Unanalyzed},
    http::{coding::Codings, head},
    mask::{
        Mode,
        request::{MaskError, Masking, Outcome, Outside, Report},
        token::{Scheme, TokenMap},
    },
    protocol::Endpoint,
    refusal::{Reason, Refusal},
    upstream::MaskedBody,
    vault::Tenant,
};

/// Bodies above this, and coded ones, are masked where they don't hold up other connections.
const LONG: usize = 256 * 1024;

/// How often a request is masked anew because another value has one of its keyed tokens. Once is rare.
const ATTEMPTS: usize = 4;

/// How a request is to be masked, beside what policy says.
#[derive(Clone)]
pub(super) struct Way {
    /// Most bytes that its body decodes to.
    pub(super) limit: usize,
    /// How its body is read, if it has one.
    pub(super) endpoint: Option<&'static Endpoint>,
    /// What answers it.
    pub(super) answered: &'static Endpoint,
    /// How the names of its fields are written.
    pub(super) names: Names,
    /// Whether it opens a WebSocket.
    pub(super) handshake: bool,
    /// A parameter of the query, which is left alone.
    pub(super) credential: Option<&'static str>,
    /// Where values are kept that the provider keeps the tokens of.
    pub(super) tenant: Option<Tenant>,
}

/// A request that may leave.
pub(super) struct Masked {
    pub(super) parts: Parts,
    pub(super) body: MaskedBody,
    /// Whether it is not what the client sent.
    pub(super) changed: bool,
    pub(super) tokens: Arc<TokenMap>,
    /// How they are numbered.
    pub(super) scheme: Scheme,
    pub(super) report: Report,
    /// Whether the analyzer has not looked at it.
    pub(super) unanalyzed: bool,
    pub(super) took: Duration,
}

/// Masks everything that a process could put text into, and keeps what stands behind the tokens that the provider keeps.
pub(super) async fn request(
    terms: &Arc<Terms>,
    way: Way,
    parts: Parts,
    body: Bytes,
) -> Result<Masked, Refusal> {
    let Some(tenant) = way.tenant.clone() else {
        return on_its_thread(terms, way, Arc::default(), parts, body).await;
    };
    let mut taken = HashSet::new();
    for _ in 0..ATTEMPTS {
        let (way, parts, body) = (way.clone(), parts.clone(), body.clone());
        let not_these = Arc::new(taken.clone());
        let masked = on_its_thread(terms, way, not_these, parts, body).await?;
        let Scheme::Keyed(..) = masked.scheme else {
            return Ok(masked);
        };
        match tenant.keep(&masked.tokens).await? {
            others if others.is_empty() => return Ok(masked),
            others => taken.extend(others),
        }
    }
    Err(Reason::Vault.into())
}

async fn on_its_thread(
    terms: &Arc<Terms>,
    way: Way,
    taken: Arc<HashSet<String>>,
    parts: Parts,
    body: Bytes,
) -> Result<Masked, Refusal> {
    let long = body.len() > LONG || parts.headers.contains_key(CONTENT_ENCODING);
    let work = masked(Arc::clone(terms), way, taken, parts, body);
    if !long {
        return work.await;
    }
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// The body comes first: its tokens are numbered without regard to headers, which change from request to request.
async fn masked(
    terms: Arc<Terms>,
    way: Way,
    taken: Arc<HashSet<String>>,
    mut parts: Parts,
    body: Bytes,
) -> Result<Masked, Refusal> {
    let masker = &terms.masker;
    let endpoint = way.endpoint;
    if !way.names.are_known() {
        // Nobody knows how they were written: they leave in lower case. That is all an extension still says here.
        parts.extensions.clear();
    }

    // Where nothing is enforced, what can't be read passes as it would without us.
    let as_it_came = |refusal: Refusal| {
        let body = masker.unenforced(body.clone());
        body.map(Outcome::Unchanged).ok_or(refusal)
    };
    let (codings, plain, bare) = match plain(way.limit, &parts, &body).await {
        Ok((codings, plain, bare)) => (codings, Ok(plain), bare),
        Err(refusal) => (Codings::default(), Err(refusal), true),
    };
    let mut asked = Asked::Nobody;
    if let (Some(endpoint), Ok(plain)) = (endpoint, &plain) {
        // What can't be read says so when it is masked.
        asked = ask(&terms, |texts| {
            drop(content(texts, &terms, endpoint, &parts, plain))
        })
        .await?;
    }
    let started = Instant::now();
    let scheme = scheme::of(&way, plain.as_deref().unwrap_or(&body), taken);
    let mut masking = masker.begin_with(scheme.clone());
    let unanalyzed = asked.tell(&mut masking);
    let outcome = match (endpoint, plain) {
        (None, Ok(_)) => None,
        (None, Err(refusal)) => as_it_came(refusal).map(|_| None)?,
        (Some(_), Err(refusal)) => Some(as_it_came(refusal)?),
        (Some(endpoint), Ok(plain)) => {
            let masked = content(&mut masking, &terms, endpoint, &parts, &plain);
            Some(masked.map_err(Refusal::from).or_else(as_it_came)?)
        }
    };
    let head_changed = match fields::mask(&mut masking, &mut parts, &way) {
        Err(refusal) if masker.mode() == Mode::Enforce => return Err(refusal),
        changed => changed.unwrap_or_default(),
    };
    // What a coding carries beside the body, nobody has looked at.
    let as_coded = bare || masker.mode() != Mode::Enforce;
    let changed = head_changed
        || match outcome {
            None => false,
            Some(Outcome::Unchanged(_)) => !as_coded,
            Some(Outcome::Masked(_)) => true,
        };
    let (tokens, report) = masking.finish();
    let took = started.elapsed();
    let body = match outcome {
        None => MaskedBody::empty(),
        Some(Outcome::Unchanged(same)) if as_coded => same.in_original_form(body).into(),
        Some(Outcome::Masked(masked)) if codings.is_empty() => masked.into(),
        Some(Outcome::Masked(plain) | Outcome::Unchanged(plain)) => plain
            .recoded(async |plain| codings.encode(plain).await)
            .await?
            .into(),
    };
    Ok(Masked {
        parts,
        body,
        changed,
        tokens: Arc::new(tokens),
        scheme,
        report,
        unanalyzed,
        took,
    })
}

/// Masks a body as what it is.
fn content(
    masking: &mut Masking<'_>,
    terms: &Terms,
    endpoint: &Endpoint,
    parts: &Parts,
    plain: &Bytes,
) -> Result<Outcome, MaskError> {
    masking.pass_unread(terms.decisions.unreadable != PathPolicy::Block);
    match head::form_boundary(&parts.headers) {
        _ if endpoint.is_grpc() => masking.grpc(plain),
        Ok(None) => masking.body(endpoint, plain),
        Ok(Some(boundary)) => masking.form(&boundary, plain),
        Err(error) => Err(error.into()),
    }
}

/// What the analyzer said.
pub(super) enum Asked {
    /// There is none for this policy.
    Nobody,
    /// It gave no answer, and policy goes on without.
    InVain,
    /// This.
    Found(Outside),
}

/// Asks the policy's analyzer about the texts that `mask` looks at.
///
/// # Errors
/// When there is no answer, and policy lets nothing go on without.
pub(super) async fn ask(
    terms: &Terms,
    mask: impl FnOnce(&mut Masking<'_>),
) -> Result<Asked, Refusal> {
    let Some((analyzer, on_failure)) = &terms.analyzer else {
        return Ok(Asked::Nobody);
    };
    let texts = {
        let mut masking = terms.masker.collect();
        mask(&mut masking);
        masking.into_texts()
    };
    match (analyzer.ask(texts).await, on_failure) {
        (Ok(outside), _) => Ok(Asked::Found(outside)),
        (Err(error), Unanalyzed::Block) => Err(error.into()),
        (Err(error), Unanalyzed::Skip) => {
            tracing::warn!(%error, "a request goes on without the analyzer");
            Ok(Asked::InVain)
        }
    }
}

impl Asked {
    /// Tells a masking; whether it has to do without an answer.
    pub(super) fn tell(self, masking: &mut Masking<'_>) -> bool {
        let in_vain = matches!(self, Self::InVain);
        match self {
            Self::Nobody => {}
            Self::InVain => masking.knows_nothing(),
            Self::Found(outside) => masking.knows(outside),
        }
        in_vain
    }
}

/// The body's content codings, the body without them, and whether they carry nothing beside it.
async fn plain(
    limit: usize,
    parts: &Parts,
    body: &Bytes,
) -> Result<(Codings, Bytes, bool), Refusal> {
    let codings = Codings::of(&parts.headers)?;
    if codings.is_empty() {
        return Ok((codings, body.clone(), true));
    }
    let (plain, bare) = codings.decode(body, limit).await?;
    Ok((codings, plain.into(), bare))
}

#[cfg(test)]
mod kept_tests;
