//! What a config decides: profiles, exceptions, confidence, hard classes, detectors of the operator's own, rule files.

use super::*;
use crate::mask::detector::{
    gitleaks,
    rules::{Allowed, Custom, Pattern},
};

fn found(rules: Rules, text: &str) -> Vec<(&'static str, String)> {
    scan(&Detectors::compile(&BTreeMap::new(), &rules), text)
}

fn allowed(pattern: &str, classes: &[&str]) -> Allowed {
    Allowed {
        pattern: Pattern::new(pattern).expect("it compiles"),
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
    }
}

/// As a rule file of gitleaks is written; the values are made up.
const FILE: &str = r##"
title = "ours"
[extend]
useDefault = true
[allowlist]
description = "everywhere"
paths = ['''go\.sum''']
stopwords = ["sample"]
[[rules]]
id = "acme-api-key"
description = "Acme"
regex = '''(?i)\bacme[\w.-]{0,20}[=:\s"']{1,5}(ak_[a-z0-9]{20})(?:["'\s]|$)'''
entropy = 3
keywords = ["ACME"]
[[rules.allowlists]]
regexTarget = "line"
regexes = ['''for-tests-only''']
[[rules]]
id = "acme-pin"
regex = '''acme-pin-(\d{2})-(\d{4})'''
secretGroup = 2
keywords = ["acme-pin-"]
path = '''\.env$'''
[[rules]]
id = "only.a-path.2024"
path = '''\.p12$'''
"##;

fn rule_file() -> Rules {
    let loaded = gitleaks::read("acme.toml", FILE).expect("it is a rule file");
    Rules {
        custom: loaded.rules,
        notes: loaded.notes,
        ..Rules::default()
    }
}

#[test]
fn a_rule_file_is_used_as_it_is() {
    let key = concat!("ak_", "q1wd8ke5rf2tg9yh6uj3");
    let text = format!("ACME_KEY = \"{key}\"\nacme-pin-12-3456");
    assert_eq!(
        found(rule_file(), &text),
        [
            ("rule_acme_api_key", key.to_owned()),
            ("rule_acme_pin", "3456".to_owned())
        ]
    );
    for text in [
        format!("the key is \"{key}\""),
        format!("acme_key = \"{key}\" # for-tests-only"),
        "acme: ak_aaaaaaaaaaaaaaaaaaaa".to_owned(),
        "acme: ak_q1wd8sampletg9yh6uj3".to_owned(),
        "acme-pin-12-345".to_owned(),
    ] {
        let found = found(rule_file(), &text);
        assert!(
            !found.iter().any(|found| found.0.starts_with("rule_")),
            "{found:?} in {text}"
        );
    }
}

#[test]
fn what_of_a_rule_file_is_not_used_is_said() {
    let notes = rule_file().notes;
    for words in [
        "[extend]",
        "the path of the rule acme-pin",
        "only.a-path.2024 looks at paths alone",
    ] {
        assert!(
            notes.iter().any(|note| note.contains(words)),
            "{words} in {notes:?}"
        );
    }
    for (file, words) in [
        ("[[rules]]\nid = \"x\"\nregex = '(a'", "the rule x"),
        (
            "[[rules]]\nid = \"x\"\nregex = 'a'\nsecretGroup = 1",
            "has no group 1",
        ),
        ("[[rules]]\nregex = 'a'", "id"),
        ("rules", "expected"),
    ] {
        let error = gitleaks::read("x.toml", file).expect_err("it is none");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn matches_far_from_one_another_are_all_found() {
    let gap = " é ".repeat(10_000);
    let text =
        format!("acme-pin-00-1111{gap}acme-pin-00-2222 acme-pin-00-3333{gap}acme-pin-00-4444");
    let values: Vec<_> = found(rule_file(), &text)
        .into_iter()
        .map(|found| found.1)
        .collect();
    assert_eq!(values, ["1111", "2222", "3333", "4444"]);
}

#[test]
fn a_profile_needs_no_word_beside_a_number() {
    let text = "it is 234567890124 then";
    assert_eq!(found(Rules::default(), text), []);
    let rules = Rules {
        profiles: vec![Profile::In],
        ..Rules::default()
    };
    assert_eq!(
        found(rules, text),
        [("in_aadhaar", "234567890124".to_owned())]
    );
    for profile in [
        Profile::Au,
        Profile::Eu,
        Profile::In,
        Profile::Jp,
        Profile::Kr,
        Profile::Sg,
        Profile::Uk,
        Profile::Us,
    ] {
        assert!(
            rows::all().any(|row| row.profile == Some(profile)),
            "{profile:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_found_and_hard_classes_stay() {
    let text = "to ops@example.com, vpc-0a1b2c3d";
    let rules = Rules {
        allow: vec![
            allowed(r"\Aops@.*\z", &["email"]),
            allowed("vpc-.*", &["email"]),
        ],
        ..Rules::default()
    };
    assert_eq!(
        found(rules.clone(), text),
        [("vpc", "vpc-0a1b2c3d".to_owned())]
    );
    let hard = Rules {
        hard: ["email".to_owned()].into(),
        confidence: 990,
        ..rules
    };
    assert_eq!(
        found(hard.clone(), text),
        [("email", "ops@example.com".to_owned())]
    );
    let actions = BTreeMap::from([("email".to_owned(), Action::Allow)]);
    let detectors = Detectors::new(&actions, &hard).expect("it is a class");
    let (email, _) = detectors
        .classes()
        .find(|(_, class)| class.name == "email")
        .expect("it is a class");
    assert_eq!(detectors.action(email), Action::Block);
}

#[test]
fn unsure_findings_are_left_out() {
    let rules = Rules {
        confidence: 970,
        class_confidence: BTreeMap::from([("email".to_owned(), 900)]),
        ..Rules::default()
    };
    let text = "a@example.com vpc-0a1b2c3d 10.0.0.1";
    let classes: Vec<_> = found(rules, text)
        .into_iter()
        .map(|found| found.0)
        .collect();
    assert_eq!(classes, ["email", "vpc"]);
}

/// With an exception for whole lines.
fn pins() -> Rules {
    let file = r#"
[[rules]]
id = "pin"
regex = 'pin-\d{4}(?:\n\d{4})?'
allowlist = { regexTarget = "line", regexes = ['^for-tests', 'for-tests$'] }
"#;
    let loaded = gitleaks::read("pins.toml", file).expect("it is a rule file");
    Rules {
        custom: loaded.rules,
        ..Rules::default()
    }
}

#[test]
fn an_exception_for_lines_is_for_those_of_its_match() {
    let text = "for-tests pin-1111\n2222 pin-3333\npin-4444 for-tests\npin-5555";
    let values: Vec<_> = found(pins(), text)
        .into_iter()
        .map(|found| found.1)
        .collect();
    assert_eq!(values, ["pin-3333", "pin-5555"]);
}

#[test]
fn a_long_line_is_read_once() {
    let many = ["pin-3456 ".repeat(2000), "a ".repeat(500_000)].concat();
    for (start, end, count) in [("", "", 2000), ("", "for-tests", 0), ("for-tests", "", 0)] {
        let text = format!("pin-1111\n{start}{many}{end}\npin-2222");
        let started = std::time::Instant::now();
        assert_eq!(found(pins(), &text).len(), count + 2);
        assert!(started.elapsed().as_secs() < 10);
    }
}

#[test]
fn a_value_may_look_like_a_token_of_its_own_label() {
    let rule = |name: &'static str, label| Custom {
        class: Class {
            name,
            label,
            action: Action::Mask,
        },
        source: String::new(),
        pattern: Pattern::new(r"CUST_\d{6}").expect("it compiles"),
        group: None,
        keywords: Vec::new(),
        entropy: 0,
        confidence: 900,
        except: Vec::new(),
    };
    let rules = |label| Rules {
        custom: vec![rule("customer", label)],
        ..Rules::default()
    };
    for label in ["CUST", "CUSTOMER"] {
        let text = "CUST_004512 and CUST_104512";
        assert_eq!(found(rules(label), text).len(), 2, "{label}");
    }
    let other = Rules {
        custom: vec![
            rule("staff", "STAFF"),
            Custom {
                pattern: Pattern::new("never").expect("it compiles"),
                ..rule("customer", "CUST")
            },
        ],
        ..Rules::default()
    };
    assert_eq!(
        found(other, "CUST_104512"),
        [("staff", "CUST_104512".to_owned())]
    );
}
