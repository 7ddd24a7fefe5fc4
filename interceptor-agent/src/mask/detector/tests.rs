//! Every row's samples, and what holds for all rows together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::*;

mod own;
mod samples;

fn scan(detectors: &Detectors, text: &str) -> Vec<(&'static str, String)> {
    let mut findings = Vec::new();
    detectors.scan(text, &mut findings);
    findings
        .iter()
        .map(|found| {
            (
                detectors.class(found.class).name,
                text[found.start..found.end].to_owned(),
            )
        })
        .collect()
}

#[test]
fn every_row_finds_its_hits_and_only_those() {
    // Those that are not looked for by default, too.
    let all = rows::all().map(|row| (row.class.name.to_owned(), Action::Mask));
    let detectors = &Detectors::with_actions(&all.collect()).expect("all are classes");
    let mut wrong = Vec::new();
    for row in rows::all() {
        assert!(
            samples::makes_its_own(row) || !row.hits.is_empty() && !row.misses.is_empty(),
            "{} has no samples",
            row.class.name
        );
        for sample in row.hits {
            let expected: Vec<_> = sample
                .split('»')
                .skip(1)
                .map(|part| {
                    (
                        row.class.name,
                        part.split_once('«').expect("a value ends").0.to_owned(),
                    )
                })
                .collect();
            let text = sample.replace(['»', '«'], "");
            let found: Vec<_> = scan(detectors, &text)
                .into_iter()
                .filter(|found| found.0 == row.class.name)
                .collect();
            if found != expected {
                wrong.push((row.class.name, text, found));
            }
        }
        for text in row.misses {
            let mut found = scan(detectors, text);
            found.retain(|found| found.0 == row.class.name);
            if !found.is_empty() {
                wrong.push((row.class.name, (*text).to_owned(), found));
            }
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn names_are_unique_and_labels_make_tokens() {
    let mut names = BTreeSet::new();
    for row in rows::all() {
        let Class { name, label, .. } = row.class;
        assert!(names.insert(name), "{name} is there twice");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name}"
        );
        let parts: Vec<_> = label.split('_').collect();
        assert!(parts.iter().all(|part| !part.is_empty()), "{label}");
        assert!(
            label
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
            "{label}"
        );
        assert!(label.as_bytes()[0].is_ascii_uppercase(), "{label}");
    }
}

#[test]
fn findings_are_appended_in_order_with_offsets_in_the_text() {
    let detectors = &*DETECTORS;
    let text = "인스턴스 i-0123456789abcdef0는 10.0.1.100에, 메일 a@example.com";
    assert_eq!(
        scan(detectors, text),
        [
            ("ec2_instance", "i-0123456789abcdef0".to_owned()),
            ("private_ip", "10.0.1.100".to_owned()),
            ("email", "a@example.com".to_owned())
        ]
    );
    let mut findings = vec![Finding {
        class: ClassId(0),
        start: 0,
        end: 9,
        confidence: 1.0,
    }];
    detectors.scan("vpc-0a1b2c3d", &mut findings);
    assert_eq!(findings.len(), 2);
    assert_eq!((findings[1].start, findings[1].end), (0, 12));
}

#[test]
fn overlapping_findings_become_one_that_covers_them() {
    let detectors = &*DETECTORS;
    let key = concat!("sk-ant-", "api03-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6-cXV4");
    assert_eq!(
        scan(detectors, &format!("https://me:{key}@example.com/")),
        [("anthropic_key", key.to_owned())]
    );
    assert_eq!(
        scan(detectors, &format!("Authorization: Bearer {key}")),
        [("anthropic_key", key.to_owned())]
    );
    let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    assert_eq!(scan(detectors, host), [("service_host", host.to_owned())]);
}

#[test]
fn tokens_of_an_earlier_masking_are_not_found() {
    let detectors = &*DETECTORS;
    for text in [
        "postgres://app:URL_PASSWORD_001@HOST_001:5432/db",
        "Authorization: Bearer SECRET_BEARER_001",
        "arn:aws:iam::ACCOUNT_001:role/x in PRIVATE_IP_001/16 and EMAIL_001",
        "Authorization: Basic SECRET_BASIC_012",
    ] {
        assert_eq!(scan(detectors, text), [], "{text}");
    }
}

#[test]
fn actions_come_from_the_config() {
    let actions = BTreeMap::from([
        ("email".to_owned(), Action::Allow),
        ("vpc".to_owned(), Action::Block),
    ]);
    let detectors = &Detectors::with_actions(&actions).expect("both are classes");
    assert_eq!(scan(detectors, "a@example.com vpc-0a1b2c3d").len(), 1);
    let (vpc, _) = detectors
        .classes()
        .find(|(_, class)| class.name == "vpc")
        .expect("there is such a class");
    assert_eq!(detectors.action(vpc), Action::Block);

    let unknown = BTreeMap::from([("emial".to_owned(), Action::Mask)]);
    let message = Detectors::with_actions(&unknown)
        .err()
        .expect("no such class")
        .to_string();
    assert!(
        message.contains("\"emial\"") && message.contains("email"),
        "{message}"
    );
}

#[test]
fn nothing_found_allocates_nothing() {
    let mut findings = Vec::new();
    Detectors::builtin().scan(
        "The quick brown fox, version 1.2.3, at 12:34:56.",
        &mut findings,
    );
    assert_eq!(findings.capacity(), 0);
}

#[test]
fn what_stands_at_the_edges_of_a_text_is_read_once() {
    let candidates = "111222333 abc123456 ".repeat(2000);
    for edge in [" ", ".", "\""] {
        let text = [&edge.repeat(1_000_000), candidates.as_str()].concat();
        let started = std::time::Instant::now();
        scan(&DETECTORS, &text);
        assert!(started.elapsed().as_secs() < 10, "{edge:?}");
    }
}

static DETECTORS: LazyLock<Detectors> = LazyLock::new(Detectors::builtin);

proptest::proptest! {
    #[test]
    fn findings_are_in_order_apart_and_on_character_boundaries(pieces in proptest::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        let mut findings = Vec::new();
        DETECTORS.scan(&text, &mut findings);
        let mut end = 0;
        for found in findings {
            proptest::prop_assert!(end <= found.start && found.start < found.end, "{found:?} in {text:?}");
            proptest::prop_assert!(text.get(found.start..found.end).is_some(), "{found:?} in {text:?}");
            end = found.end;
        }
    }
}

/// Samples of every row, cut anywhere, and anything else: together they meet in all ways.
fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let samples: Vec<_> = rows::all()
        .flat_map(|row| row.hits)
        .map(|sample| sample.replace(['»', '«'], ""))
        .collect();
    let cut = (
        proptest::sample::select(samples),
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(sample, index)| {
            sample
                .chars()
                .take(1 + index.index(sample.chars().count()))
                .collect()
        });
    prop_oneof![cut, any::<String>(), "[-_.:@/=é ]"]
}
