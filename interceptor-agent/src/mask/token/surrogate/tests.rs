//! The shapes, their numbers, and where one ends.

use super::*;

fn surrogates(values: &[&str]) -> Vec<Option<String>> {
    let mut all = Surrogates::default();
    values.iter().map(|value| all.of(value)).collect()
}

#[test]
fn every_shape_is_kept() {
    for (values, expected) in [
        (
            vec!["10.1.2.3", "10.1.2.0", "10.1.9.9", "8.8.8.8", "10.1.2.3"],
            vec![
                "240.1.2.2",
                "240.1.2.0",
                "240.1.8.8",
                "240.2.8.8",
                "240.1.2.2",
            ],
        ),
        (
            vec!["fd00:1:2::7", "fd00:1:2::"],
            vec!["3fff:1:2::4", "3fff:1:2::"],
        ),
        (
            vec![
                "i-0123456789abcdef0",
                "i-01234567",
                "vpc-0123456789abcdef0",
                "i-0fedcba9876543210",
            ],
            vec![
                "i-00000000000000001",
                "i-00000001",
                "vpc-00000000000000001",
                "i-00000000000000002",
            ],
        ),
        (vec!["123456789012"], vec!["900000000001"]),
        (
            vec!["02:1a:80:41:52:9C", "00-1A-2B-3C-4D-5E", "aabb.ccdd.eeff"],
            vec!["02:00:00:00:00:01", "02-00-00-00-00-01", "0200.0000.0001"],
        ),
        (
            vec!["6F9619FF-8B86-D011-B42D-00CF4FC964FF"],
            vec!["00000000-0000-4000-8000-000000000001"],
        ),
        (
            vec!["ann@corp.example", "bob@corp.example"],
            vec!["mail-001@masked.invalid", "mail-002@masked.invalid"],
        ),
    ] {
        let given: Vec<_> = surrogates(&values)
            .into_iter()
            .map(Option::unwrap)
            .collect();
        assert_eq!(given, expected);
        for surrogate in given {
            assert!(is_surrogate(&surrogate), "{surrogate}");
        }
    }
}

#[test]
fn what_is_written_in_another_way_has_none() {
    let odd = [
        "10.01.2.3",
        "FD00::1",
        "fd00:0::1",
        "i-xyz",
        "1234",
        "a b@c",
        "10.1.2.3, 10.1.2.4",
        "10%2E1%2E2%2E3",
    ];
    assert_eq!(surrogates(&odd), vec![None; odd.len()]);
}

#[test]
fn literals_are_skipped() {
    let mut all = Surrogates::default();
    for literal in [
        "i-00000000000000001",
        "mail-001@masked.invalid",
        "240.1.2.2",
    ] {
        all.reserve(literal);
        assert!(!all.is_taken(literal));
    }
    assert_eq!(
        all.of("i-0123456789abcdef0").as_deref(),
        Some("i-00000000000000002")
    );
    assert_eq!(
        all.of("ann@corp.example").as_deref(),
        Some("mail-002@masked.invalid")
    );
    assert_eq!(all.of("10.1.2.3"), None);
    assert!(all.is_taken("i-00000000000000002"));
}

#[test]
fn networks_beyond_the_range_have_none() {
    let mut all = Surrogates::default();
    let mut given = |n: u32| all.of(&Ipv4Addr::from_bits(n << 16 | 1).to_string());
    assert!((1..=0xffe).all(|n| given(n).is_some()));
    assert_eq!(given(0xfff), None);
}

#[test]
fn more_of_its_shape_makes_another_value() {
    for (surrogate, behind, more) in [
        ("240.1.1.2", ". The", false),
        ("240.1.1.2", ".3", true),
        ("240.1.1.2", ":8080", false),
        ("240.1.1.2", "/24", false),
        ("240.1.1.2", "0", true),
        ("3fff:1::2", ":3", true),
        ("3fff:1::2", "a", true),
        ("3fff:1::2", "]:80", false),
        ("i-00000001", "a", true),
        ("i-00000001", "-backup", false),
        ("02:00:00:00:00:01", ":02", true),
        ("mail-001@masked.invalid", ".com", true),
        ("mail-001@masked.invalid", ".", false),
        ("900000000001", ":role/x", false),
    ] {
        let mut bytes = behind.bytes();
        let next = [bytes.next().or(Some(0)), bytes.next().or(Some(0))];
        assert_eq!(goes_on(surrogate, next), Some(more), "{surrogate}{behind}");
    }
    assert_eq!(goes_on("240.1.1.2", [None, None]), None);
    assert_eq!(goes_on("240.1.1.2", [Some(b'.'), None]), None);
}

#[test]
fn one_inside_another_is_seen() {
    let mut seen = Vec::new();
    let text = "245.240.0.0.1 and i-00000001";
    look_alikes(text, |range| seen.push(&text[range]));
    assert_eq!(seen, ["245.240.0.0", "240.0.0.1", "i-00000001"]);
}

#[test]
fn a_look_alike_is_no_longer_than_an_address_can_be() {
    let longest = format!("3fff:abc{}", ":abcd".repeat(6));
    assert!(is_surrogate(&longest));
    let mut bytes = 0;
    let text = "3fff:".repeat(2000);
    look_alikes(&text, |range| bytes += range.len());
    assert!(bytes < text.len() * 10, "{bytes}");
}
