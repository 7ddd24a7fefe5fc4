//! Whatever the request: unmasking what was masked gives every text back, what is masked has nothing left to mask, and a
//! request that came before is masked as it was. The first line is the endpoint.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use interceptor_agent::{
    json::{self, Kind, Value},
    mask::{
        Mode,
        detector::Detectors,
        request::{MaskError, Masker, Outcome},
        token::TokenMap,
        unmask::{Escaping, Tokens},
    },
    protocol::Endpoint,
};
use interceptor_fuzz::with_endpoint;
use libfuzzer_sys::fuzz_target;

static MASKER: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce).with_cache(0));
static CACHED: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce));

fuzz_target!(|input: &[u8]| {
    let Some((endpoint, _, raw)) = with_endpoint(input) else {
        return;
    };
    let raw = Bytes::copy_from_slice(raw);
    let (masked, tokens) = match mask(&MASKER, endpoint, &raw) {
        Ok(masked) => masked,
        Err(MaskError::Incomplete { class }) => panic!("{class} could not be masked"),
        Err(_) => return,
    };
    for _ in 0..2 {
        assert!(mask(&CACHED, endpoint, &raw) == Ok((masked.clone(), tokens.clone())));
    }
    let again = MASKER.begin().body(endpoint, &masked);
    assert!(matches!(again, Ok(Outcome::Unchanged(_))), "{again:?}");
    let (before, after) = (json::parse(&raw), json::parse(&masked));
    let (Ok(before), Ok(after)) = (before, after) else {
        panic!("masking keeps JSON");
    };
    same(before.root(), after.root(), &Tokens::new(Arc::new(tokens)));
});

fn mask(masker: &Masker, endpoint: &Endpoint, raw: &Bytes) -> Result<(Bytes, TokenMap), MaskError> {
    let mut masking = masker.begin();
    let masked = masking.body(endpoint, raw)?.into_masked().into_bytes();
    Ok((masked, masking.finish().0))
}

/// A number that was masked is a string.
fn same(before: Value<'_>, after: Value<'_>, tokens: &Tokens) {
    match (before.kind(), after.kind()) {
        (Kind::Object, Kind::Object) => {
            assert_eq!(before.entries().count(), after.entries().count());
            for ((key, value), (masked_key, masked)) in before.entries().zip(after.entries()) {
                same(key, masked_key, tokens);
                same(value, masked, tokens);
            }
        }
        (Kind::Array, Kind::Array) => {
            assert_eq!(before.items().count(), after.items().count());
            before
                .items()
                .zip(after.items())
                .for_each(|(before, after)| same(before, after, tokens));
        }
        (Kind::String, Kind::String) => text(before, after, tokens),
        (Kind::Number, Kind::String) => {
            assert_eq!(
                unmasked(after, tokens).as_bytes(),
                before.inner_raw().as_bytes()
            );
        }
        _ => assert_eq!(before.inner_raw(), after.inner_raw()),
    }
}

/// A string may hold JSON, whose own strings were masked.
fn text(before: Value<'_>, after: Value<'_>, tokens: &Tokens) {
    // What is sealed may have tokens of its own.
    if before.inner_raw() == after.inner_raw() {
        return;
    }
    let said = before.text().unwrap_or_default();
    if unmasked(after, tokens) == said {
        return;
    }
    let inner = after.text().unwrap_or_default();
    match (json::parse(said.as_bytes()), json::parse(inner.as_bytes())) {
        (Ok(before), Ok(after)) => same(before.root(), after.root(), tokens),
        _ => panic!("{said:?} came back as {:?}", unmasked(after, tokens)),
    }
}

fn unmasked(value: Value<'_>, tokens: &Tokens) -> String {
    let text = value.text().unwrap_or_default();
    let unmasked = tokens.unmask(text.as_bytes(), Escaping::None);
    String::from_utf8_lossy(&unmasked).into_owned()
}
