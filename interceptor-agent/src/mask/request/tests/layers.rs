//! Values behind encodings, and encodings inside one another: masked whole, and given back as they were written.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::mask::token::Scheme;
use crate::mask::unmask::{Escaping, Tokens};

/// Ways to write a text in ASCII, each of which can be written in another again.
const IN_ASCII: usize = 6;
/// Ways that leave ASCII.
const BEYOND_ASCII: usize = 3;

fn written(text: &str, way: usize) -> String {
    let each = |write: &dyn Fn(char) -> String| text.chars().map(write).collect::<String>();
    let bytes = |prefix: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{prefix}{byte:02x}");
            out
        })
    };
    match way {
        0 => serde_json::json!({ "log": text }).to_string(),
        1 => each(&|char| format!("\\u{:04x}", u32::from(char))),
        2 => bytes("\\x"),
        3 => bytes("%"),
        4 => bytes(""),
        5 => base64(text.as_bytes()),
        6 => each(&|char| format!("{char}\u{200b}")),
        7 => each(&|char| {
            match char {
                '!'..='~' => char::from_u32(u32::from(char) + 0xfee0).expect("full-width"),
                other => other,
            }
            .to_string()
        }),
        8 => each(&|char| {
            match char {
                'a' => 'а',
                'c' => 'с',
                'e' => 'е',
                'i' => 'і',
                other => other,
            }
            .to_string()
        }),
        _ => text.to_owned(),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|three| {
            let bits = (0..3).fold(0, |bits, index| {
                bits << 8 | usize::from(*three.get(index).unwrap_or(&0))
            });
            (0..4).map(move |digit| match digit <= three.len() {
                true => char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]),
                false => '=',
            })
        })
        .collect()
}

fn masked_and_back(text: &str) -> (String, String) {
    let body = serde_json::json!({ "system": text }).to_string();
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    let back = Tokens::new(Arc::new(tokens))
        .unmask(masked.as_bytes(), Escaping::Json)
        .into_owned();
    let text_of = |body: &[u8]| {
        let doc = json::parse(body).expect("masking and unmasking keep JSON");
        let system = doc.root().get("system").and_then(|system| system.text());
        system.expect("the text is kept").into_owned()
    };
    (text_of(masked.as_bytes()), text_of(&back))
}

#[test]
fn a_value_in_any_encoding_becomes_a_token() {
    for way in 0..IN_ASCII + BEYOND_ASCII {
        let text = written(&format!("see {ID} now"), way);
        let (masked, back) = masked_and_back(&text);
        assert!(masked.contains("EC2_001"), "{way}: {masked}");
        assert_eq!(back, text);
    }
}

#[test]
fn a_block_is_replaced_whole_and_what_stands_around_it_stays() {
    let blob = written(&format!("see {ID} now"), 5);
    let (masked, _) = masked_and_back(&format!("decode {blob} please"));
    assert_eq!(masked, "decode EC2_001 please");
}

#[test]
fn what_only_looks_encoded_stays() {
    for text in [
        "commit d0b1f2c4a3e5968778695a4b3c2d1e0f00112233, 100% done",
        "aGVsbG8gd29ybGQsIG5vdGhpbmcgaGVyZQ==",
        "C:\\new\\table and \\d+ in https://example.com/a%20b",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    ] {
        assert_eq!(masked_and_back(text).0, text);
    }
}

#[test]
fn a_value_that_a_line_cuts_is_one() {
    let (left, right) = ID.split_at(9);
    let text = format!("the instance {left}\n{right} is down\nand others");
    let (masked, back) = masked_and_back(&text);
    assert_eq!(masked, "the instance EC2_001 is down\nand others");
    assert_eq!(back, text);
    // Each of these is a value of its own.
    let list = "ann@example.com\nbob@example.com\n10.0.0.1\n2 more";
    assert_eq!(
        masked_and_back(list).0,
        "EMAIL_001\nEMAIL_002\nPRIVATE_IP_001\n2 more"
    );
}

#[test]
fn blocks_that_run_into_one_another_are_masked_as_one() {
    let text = r#"{"log":"ann@example.com"}YW5uQGV4YW1wbGUuY29thMTAuMC4wLjE= is it"#;
    let (masked, back) = masked_and_back(text);
    assert_eq!(masked, r#"{"log":"EMAIL_001"EMAIL_002 is it"#);
    assert_eq!(back, text);
}

proptest! {
    #[test]
    fn encodings_inside_one_another_hide_nothing_and_come_back(
        before in "[ -~]{0,8}",
        after in "[ -~]{0,8}",
        inner in prop::collection::vec(0..IN_ASCII, 1..3),
        outer in prop::option::of(IN_ASCII..IN_ASCII + BEYOND_ASCII),
    ) {
        let plain = format!("{before} {ID} {after}");
        let text = inner.into_iter().chain(outer).fold(plain, |text, way| written(&text, way));
        let (masked, back) = masked_and_back(&text);
        prop_assert!(masked.contains("EC2_00"), "{} of {}", masked, text);
        prop_assert_eq!(back, text);
    }

    #[test]
    fn whatever_stands_together_is_masked_and_comes_back(
        pieces in prop::collection::vec((0..8usize, 0..=IN_ASCII + BEYOND_ASCII, "[ \n.,:;_/\"=%\\\\0-9a-z]{0,3}"), 0..8),
    ) {
        let values = [ID, OTHER, "ann@example.com", "10.0.0.1", "EC2_001", "4111111111111111", "AWS account 123456789012", PEM];
        let text: String = pieces
            .into_iter()
            .map(|(value, way, between)| written(values[value], way.wrapping_sub(1)) + &between)
            .collect();
        let (masked, back) = masked_and_back(&text);
        prop_assert_eq!(back, text);
        let mut finder = Vec::new();
        masker().findings(&masked, &mut finder);
        let shown: Vec<_> = finder.iter().map(|found| &masked[found.start..found.end]).collect();
        prop_assert!(masker().finder().visible(&masked, &Numbering::new(&masker().labels, Scheme::Counted)).is_none(), "{:?} in {}", shown, masked);
    }
}
