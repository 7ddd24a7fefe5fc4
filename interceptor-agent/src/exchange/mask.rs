//! The request's way through the masker: body, headers, target.

mod scheme;

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_ENCODING, request::Parts};
use tokio::runtime::Handle;

use crate::{
    app::Terms,
    config::{PathPolicy, Unanalyzed},
    http::{coding::Codings, head},
    mask::{
        Mode,
        request::{MaskError, Masking, Outcome, Outside, Report},
        token::{Scheme, TokenMap},
    },
    protocol::{Endpoint, bedrock::account},
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
    let (endpoint, credential) = (way.endpoint, way.credential);
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
    let known = endpoint.and_then(|endpoint| account(endpoint, parts.uri.path()));
    let known = known.map(str::to_owned).unwrap_or_default();
    let head_changed = match head(&mut masking, &mut parts, &known, credential) {
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

/// Masks the values of headers, and refuses what can't be masked. Whether anything changed.
fn head(
    masking: &mut Masking<'_>,
    parts: &mut Parts,
    known: &str,
    credential: Option<&str>,
) -> Result<bool, Refusal> {
    let changed = mask_headers(masking, parts)?;
    refuse_elsewhere(masking, parts, known, credential).map(|()| changed)
}

fn mask_headers(masking: &mut Masking<'_>, parts: &mut Parts) -> Result<bool, Refusal> {
    let mut changed = false;
    for (name, value) in parts
        .headers
        .iter_mut()
        .filter(|(name, _)| head::is_text(name))
    {
        let text = String::from_utf8_lossy(value.as_bytes());
        if let Some(masked) = masking.text(&text)? {
            *value = HeaderValue::try_from(masked)
                .map_err(|_| Refusal::new(Reason::Unmaskable, format!("header {name}")))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Where a token would ask for something else than was meant, a value that must not leave refuses the request; but for
/// those that say to the provider who asks.
fn refuse_elsewhere(
    masking: &mut Masking<'_>,
    parts: &Parts,
    known: &str,
    credential: Option<&str>,
) -> Result<(), Refusal> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let target = head::without_parameter(target, credential);
    let target = &match known {
        "" => target,
        known => target.replacen(known, "", 1).into(),
    };
    let names = parts
        .headers
        .keys()
        .map(|name| ("a header's name", Cow::from(name.as_str())));
    let texts = [
        ("the method", parts.method.as_str().into()),
        ("the path or the query", target.as_ref().into()),
        ("the path or the query", head::percent_decoded(target)),
    ];
    for (place, text) in texts.into_iter().chain(names) {
        if masking.text(&text)?.is_some() {
            return Err(Refusal::new(Reason::Unmaskable, format!("in {place}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::mask::{detector::Detectors, request::Masker};

    const ID: &str = "i-0123456789abcdef0";

    fn masked(method: &str, target: &str, name: &str, value: &[u8]) -> Result<Parts, Refusal> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(name, "first")
            .header(name, value);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        head(&mut masker.begin(), &mut parts, "", Some("key")).map(|_| parts)
    }

    #[test]
    fn every_value_of_a_header_is_masked() {
        for name in ["x-note", "accept", "content-type", "anthropic-beta"] {
            let parts = masked("POST", "/", name, format!("at {ID}").as_bytes()).unwrap();
            let values: Vec<_> = parts.headers.get_all(name).iter().collect();
            assert_eq!(values, ["first", "at EC2_001"], "{name}");
        }
        let odd = [b"\xff ", ID.as_bytes()].concat();
        let parts = masked("POST", "/", "x-note", &odd).unwrap();
        assert!(
            parts
                .headers
                .get_all("x-note")
                .iter()
                .all(|value| { !String::from_utf8_lossy(value.as_bytes()).contains(ID) })
        );
        let untouched = [b"\xff ", "nothing".as_bytes()].concat();
        let parts = masked("POST", "/", "x-note", &untouched).unwrap();
        let last = parts.headers.get_all("x-note").iter().next_back();
        assert_eq!(last.map(HeaderValue::as_bytes), Some(&untouched[..]));
    }

    #[test]
    fn credentials_for_the_provider_stay() {
        let key = concat!("Bearer sk-ant-", "api03-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6-cXV4");
        for name in ["authorization", "x-api-key", "cookie"] {
            let parts = masked("POST", "/", name, key.as_bytes()).unwrap();
            assert!(parts.headers.get_all(name).iter().any(|value| value == key));
        }
    }

    #[test]
    fn what_says_where_a_request_goes_carries_no_value() {
        let target = format!("/v1/messages?at={ID}");
        let behind = format!("/v1/messages?key=x&my_key={ID}&key=x");
        let cases = [
            ("POST", target.as_str(), "x-note"),
            ("POST", behind.as_str(), "x-note"),
            ("POST", "/v1/messages?user=ann%40example.com", "x-note"),
            ("POST", "/v1/%69-0123456789abcdef0", "x-note"),
            ("POST", "/", ID),
            ("POST", "/", "10.0.0.1"),
            (ID, "/", "x-note"),
        ];
        for (method, target, name) in cases {
            let refused = masked(method, target, name, b"").map(|_| ()).unwrap_err();
            assert_eq!(
                refused.reason,
                Reason::Unmaskable,
                "{method} {target} {name}"
            );
        }
        assert!(masked("POST", "/v1/messages?beta=true&q=100%", "x-note", b"").is_ok());
        let credential = format!("/v1beta/models?key={ID}&alt=sse&key={ID}");
        assert!(masked("POST", &credential, "x-note", b"").is_ok());
    }
}
