//! Conversations that are sent again and again: what is known from before gives the same bytes and the same tokens.

use proptest::prelude::*;

use super::*;
use crate::mask::token::NumberKey;

/// Text long enough to be kept.
const FILLER: &str = "Nothing in this sentence has to be masked, and it is here to be long. ";

fn turn(text: &str) -> String {
    let text = format!("{}{text}", FILLER.repeat(8));
    serde_json::json!({"role": "user", "content": [{"type": "text", "text": text}]}).to_string()
}

fn conversation(turns: &[String]) -> Bytes {
    format!(r#"{{"model":"m","messages":[{}]}}"#, turns.join(",")).into()
}

fn masked(masker: &Masker, body: &Bytes) -> (Bytes, TokenMap, Report) {
    masked_with(masker, &Scheme::Counted, body)
}

fn masked_with(masker: &Masker, scheme: &Scheme, body: &Bytes) -> (Bytes, TokenMap, Report) {
    let mut masking = masker.begin_with(scheme.clone());
    let bytes = masking
        .body(&anthropic::MESSAGES, body)
        .unwrap()
        .into_masked()
        .into_bytes();
    let (tokens, report) = masking.finish();
    (bytes, tokens, report)
}

fn fresh() -> Masker {
    Masker {
        cache: Cache::new(CACHE),
        labels: labels(&masker().detectors),
        detectors: Arc::clone(&masker().detectors),
        mode: Mode::Enforce,
    }
}

#[test]
fn what_was_sent_before_is_not_looked_at_again() {
    let masker = fresh();
    let turns: Vec<_> = [ID, "no value", OTHER, "EC2_007"].map(turn).into();
    let first = masked(&masker, &conversation(&turns)).2;
    assert_eq!(first.cached_bytes, 0);
    let again = masked(&masker, &conversation(&turns)).2;
    assert_eq!(
        again.cached_bytes,
        turns.iter().map(String::len).sum::<usize>()
    );
    assert_eq!(
        (again.fields, again.masked, &again.findings),
        (first.fields, first.masked, &first.findings)
    );
    // Without the first value the others have other numbers; a text without one says the same wherever it stands.
    let (bytes, ..) = masked(&masker, &conversation(&turns[1..]));
    assert!(String::from_utf8_lossy(&bytes).contains("EC2_001"));
}

fn schemes() -> [Scheme; 3] {
    let key = NumberKey::new(&[7; 32]);
    let keyed = Scheme::Keyed(key, Arc::default());
    [Scheme::Counted, Scheme::Beside, keyed]
}

#[test]
fn a_literal_that_is_nobodys_under_one_scheme_may_be_a_token_under_another() {
    let body = conversation(&[turn(ID), turn("EC2_001")]);
    for first in schemes() {
        for second in schemes() {
            let masker = fresh();
            masked_with(&masker, &first, &body);
            let (bytes, tokens, _) = masked_with(&masker, &second, &body);
            let expected = masked_with(&fresh(), &second, &body);
            assert_eq!(
                (bytes, tokens),
                (expected.0, expected.1),
                "{first:?}, then {second:?}"
            );
        }
    }
}

#[test]
fn what_was_refused_is_not_kept() {
    let actions = BTreeMap::from([("vpc".to_owned(), Action::Block)]);
    let masker = Masker::new(Detectors::with_actions(&actions).unwrap(), Mode::Enforce);
    let body = conversation(&[turn(ID), turn("vpc-0a1b2c3d")]);
    for _ in 0..2 {
        assert!(masker.begin().body(&anthropic::MESSAGES, &body).is_err());
    }
    let report = masked(&masker, &conversation(&[turn(ID)])).2;
    assert_eq!(report.cached_bytes, 0);
}

#[test]
fn a_key_that_is_masked_is_masked_again() {
    let masker = fresh();
    let body = Bytes::from(format!(r#"{{"key {ID}":"{}"}}"#, FILLER.repeat(8)));
    let first = masked(&masker, &body);
    assert!(first.0.starts_with(b"{\"key EC2_001\":"));
    assert!(masked(&masker, &body) == first);
}

#[test]
fn without_room_nothing_is_kept() {
    let masker = fresh().with_cache(0);
    for _ in 0..2 {
        assert_eq!(
            masked(&masker, &conversation(&[turn(ID)])).2.cached_bytes,
            0
        );
    }
}

proptest! {
    #[test]
    fn the_cache_changes_nothing(
        conversations in prop::collection::vec((0..3usize, prop::collection::vec(0..10usize, 1..6)), 2..8),
    ) {
        let texts = [
            ID, OTHER, "EC2_001 and EC2_003", "nothing", "account 123456789012 and 10.0.0.1", "123456789012", "is 10.0.0.1.203.0.113.12 [203.0.113.12",
            r#"{"a": "\u0069-0123456789abcdef0", "b": "EC2\\_002"}"#, PEM, "c2VlIGktMDEyMzQ1Njc4OWFiY2RlZjAgbm93",
        ];
        let with = fresh();
        for (scheme, turns) in conversations {
            let scheme = &schemes()[scheme];
            let turns: Vec<_> = turns.into_iter().map(|index| turn(texts[index])).collect();
            let body = conversation(&turns);
            let (bytes, tokens, report) = masked_with(&with, scheme, &body);
            let (expected, expected_tokens, expected_report) = masked_with(&fresh(), scheme, &body);
            prop_assert_eq!(bytes, expected);
            prop_assert_eq!(tokens, expected_tokens);
            prop_assert_eq!(Report { cached_bytes: 0, ..report }, expected_report);
        }
    }
}
