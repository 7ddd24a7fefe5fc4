//! Masking as a whole: what leaves, which token stands where, and what comes back.

mod cached;
mod files;
mod keyed;
mod layers;
mod own;
mod property;
mod surrogates;
mod unread;

use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;

use super::*;
use crate::{
    mask::detector::Action,
    protocol::{anthropic, openai},
};

const ID: &str = "i-0123456789abcdef0";
const OTHER: &str = "i-0fedcba9876543210";
const PEM: &str =
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END PRIVATE KEY-----";

/// The built-in policy, compiled once.
fn masker() -> &'static Masker {
    static MASKER: LazyLock<Masker> =
        LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce));
    &MASKER
}

fn with_action(class: &str, action: Action, mode: Mode) -> Masker {
    Masker::new(
        Detectors::with_actions(&BTreeMap::from([(class.to_owned(), action)])).unwrap(),
        mode,
    )
}

fn mask(endpoint: &'static Endpoint, body: &str) -> (String, TokenMap) {
    let mut masking = masker().begin();
    let masked = masking
        .body(endpoint, &Bytes::from(body.to_owned()))
        .unwrap()
        .into_masked();
    (
        String::from_utf8(masked.into_bytes().to_vec()).unwrap(),
        masking.finish().0,
    )
}

fn messages(body: &str) -> String {
    mask(&anthropic::MESSAGES, body).0
}

#[test]
fn nothing_found_is_the_same_buffer() {
    let raw = Bytes::from_static(br#"{"max_tokens":1.0,"n":12345678901234567890,"messages":[{"role":"user","content":"hello\u0020"}]}"#);
    let masker = masker();
    let Outcome::Unchanged(same) = masker.begin().body(&anthropic::MESSAGES, &raw).unwrap() else {
        panic!("nothing was to be found");
    };
    assert_eq!(same.into_bytes().as_ptr(), raw.as_ptr());
}

#[test]
fn only_values_change() {
    let body = format!(
        r#"{{ "temperature": 1.0, "messages": [{{"content":"stop {ID}\u002c {OTHER} and {ID}" , "role":"user"}}]}}"#
    );
    let expected = body.replace(ID, "EC2_001").replace(OTHER, "EC2_002");
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    assert_eq!(masked, expected);
    assert_eq!(
        tokens.iter().collect::<Vec<_>>(),
        [("EC2_001", ID), ("EC2_002", OTHER)]
    );
}

#[test]
fn numbers_follow_the_canonical_order_whatever_the_bytes_do() {
    let system = format!(r#""system":"on {ID}""#);
    let turns = format!(r#""messages":[{{"role":"user","content":"{OTHER}"}}]"#);
    let one = messages(&format!("{{{system},{turns}}}"));
    let two = messages(&format!("{{{turns},{system}}}"));
    assert!(
        one.contains("on EC2_001") && one.contains(r#""content":"EC2_002""#),
        "{one}"
    );
    assert!(
        two.contains("on EC2_001") && two.contains(r#""content":"EC2_002""#),
        "{two}"
    );
}

#[test]
fn a_conversation_that_grows_keeps_its_tokens() {
    let turns = [
        format!("a {ID}"),
        format!("EC2_002 or {OTHER}"),
        "EC2_001 is taken".to_owned(),
        "i-0aaaaaaaaaaaaaaaa".to_owned(),
    ];
    let body = |count: usize| {
        let turns: Vec<_> = turns[..count]
            .iter()
            .map(|text| format!(r#"{{"role":"user","content":"{text}"}}"#))
            .collect();
        messages(&format!(r#"{{"messages":[{}]}}"#, turns.join(",")))
    };
    for count in 1..turns.len() {
        let earlier = body(count);
        let prefix = earlier.strip_suffix("]}").unwrap();
        assert!(body(count + 1).starts_with(prefix), "{prefix}");
    }
}

#[test]
fn a_literal_that_looks_like_a_token_keeps_its_number_to_itself() {
    let (masked, tokens) = mask(
        &anthropic::MESSAGES,
        &format!(r#"{{"messages":[{{"content":"{ID} is not EC2_001"}}]}}"#),
    );
    assert!(masked.contains("EC2_002 is not EC2_001"), "{masked}");
    assert_eq!(tokens.value("EC2_001"), None);
}

#[test]
fn a_literal_equal_to_an_earlier_token_gets_a_token_of_its_own() {
    let body = format!(
        r#"{{"messages":[{{"content":"{ID}"}},{{"content":"EC2_001 and EC2\\_001 and EC2_009"}}]}}"#
    );
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    assert!(
        masked.contains(r#""EC2_002 and EC2_003 and EC2_009""#),
        "{masked}"
    );
    assert_eq!(
        tokens.iter().collect::<Vec<_>>(),
        [
            ("EC2_001", ID),
            ("EC2_002", "EC2_001"),
            ("EC2_003", r"EC2\_001")
        ]
    );
}

#[test]
fn thinking_stays_and_tool_input_is_masked_key_and_number_too() {
    let body = format!(
        r#"{{"messages":[{{"content":[{{"type":"thinking","thinking":"about {ID}","signature":"c2ln"}},
        {{"type":"tool_use","id":"toolu_1","name":"n","input":{{"{OTHER}":"x","id":"{ID}","card":4111111111111111}}}}]}}]}}"#
    );
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    assert!(masked.contains(&format!("about {ID}")), "{masked}");
    assert!(
        masked.contains(r#"{"EC2_001":"x","id":"EC2_002","card":"CARD_001"}"#),
        "{masked}"
    );
    assert_eq!(tokens.value("CARD_001"), Some("4111111111111111"));
}

#[test]
fn no_word_of_the_api_carries_a_value() {
    for (endpoint, member) in [
        (&anthropic::MESSAGES, r#""model":"VALUE""#),
        (&anthropic::MESSAGES, r#""role":"VALUE""#),
        (
            &anthropic::MESSAGES,
            r#""content":[{"type":"VALUE","id":"VALUE","tool_use_id":"VALUE"}]"#,
        ),
        (
            &anthropic::MESSAGES,
            r#""content":[{"encrypted_content":"to VALUE","encrypted_index":"to VALUE"}]"#,
        ),
        (
            &anthropic::MESSAGES,
            r#""source":{"media_type":"image/VALUE","data":"to VALUE"}"#,
        ),
        (&openai::CHAT, r#""seed":"VALUE""#),
        (&openai::CHAT, r#""tool_call_id":"VALUE""#),
        (
            &openai::CHAT,
            r#""image_url":{"url":"data:image/VALUE;base64,aaaa"}"#,
        ),
        (
            &openai::CHAT,
            r#""image_url":{"url":"data:image/png;x=VALUE;base64,aaaa"}"#,
        ),
    ] {
        let message = member.replace("VALUE", ID);
        let (masked, _) = mask(endpoint, &format!(r#"{{"messages":[{{{message}}}]}}"#));
        assert!(
            masked.contains("EC2_001") && !masked.contains(ID),
            "{masked}"
        );
    }
}

#[test]
fn a_hundred_thousand_like_keys_take_no_time() {
    for member in [
        r#""data":"x","#,
        r#""type":"thinking","signature":"x","#,
        r#""EC2_001":"","#,
    ] {
        let body = format!(r#"{{"messages":[{{{}"k":1}}]}}"#, member.repeat(100_000));
        let started = std::time::Instant::now();
        messages(&body);
        assert!(started.elapsed().as_secs() < 10, "{member}");
    }
}

#[test]
fn arguments_are_masked_inside_their_own_json() {
    let arguments = r#"{\"id\": \"\u0069-0123456789abcdef0\", \"card\": 4111111111111111, \"note\":\"a\\ni-0fedcba9876543210\"}"#;
    let body = format!(
        r#"{{"messages":[{{"tool_calls":[{{"function":{{"name":"f","arguments":"{arguments}"}}}}]}}]}}"#
    );
    let (masked, tokens) = mask(&openai::CHAT, &body);
    assert!(
        masked
            .contains(r#"{\"id\": \"EC2_001\", \"card\": \"CARD_001\", \"note\":\"a\\nEC2_002\"}"#),
        "{masked}"
    );
    assert_eq!(
        [tokens.value("EC2_001"), tokens.value("EC2_002")],
        [Some(ID), Some(OTHER)]
    );
    let broken = body.replace(r#"{\"id\""#, r#"\"id\""#);
    assert!(
        mask(&openai::CHAT, &broken)
            .0
            .contains(r#"\"id\": \"EC2_001\""#)
    );
}

#[test]
fn json_quoted_in_a_chat_is_seen_through() {
    let masked =
        messages(r#"{"messages":[{"content":"log: {\"line\":\"a\\ni-0123456789abcdef0\"}"}]}"#);
    assert!(masked.contains(r#"a\\nEC2_001\"#), "{masked}");
}

#[test]
fn what_was_masked_once_is_masked_wherever_it_stands_from_there_on() {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"AWS account 123456789012, id {ID}, at 10.0.0.1 {} 123456789012"}},
        {{"role":"assistant","content":[{{"type":"text","text":"It is 123456789012, no version 10.0.0.1, and two {ID}s."}},
        {{"type":"tool_use","input":{{"ids":["123456789012"],"n":[123456789012],"near":1234567890123}}}}]}}]}}"#,
        "-".repeat(80)
    );
    let masked = messages(&body);
    for expected in [
        "- ACCOUNT_001\"",
        "It is ACCOUNT_001, no version PRIVATE_IP_001, and two EC2_001s.",
        r#"{"ids":["ACCOUNT_001"],"n":["ACCOUNT_001"],"near":1234567890123}"#,
    ] {
        assert!(masked.contains(expected), "{expected} in {masked}");
    }
}

#[test]
fn what_a_known_value_brings_to_light_is_masked_too() {
    // Six numbers are no address, until the last four of them are known to be one.
    let masked = messages(r#"{"system":"10.0.0.1.203.0.113.12 [203.0.113.12"}"#);
    assert_eq!(
        masked,
        r#"{"system":"PRIVATE_IP_001.PUBLIC_IP_001 [PUBLIC_IP_001"}"#
    );
}

#[test]
fn a_blocked_class_refuses_by_name_only() {
    let raw = Bytes::from(format!(r#"{{"messages":"{ID}"}}"#));
    let body = |mode| {
        with_action("ec2_instance", Action::Block, mode)
            .begin()
            .body(&anthropic::MESSAGES, &raw)
    };
    let error = body(Mode::Enforce).unwrap_err();
    assert_eq!(
        error,
        MaskError::Blocked {
            class: "ec2_instance"
        }
    );
    assert!(!error.to_string().contains(ID));
    assert!(matches!(body(Mode::DryRun), Ok(Outcome::Unchanged(_))));
}

#[test]
fn modes_that_do_not_enforce_count_and_leave_everything() {
    let raw = Bytes::from(format!(r#"{{"messages":"{ID} {ID}"}}"#));
    for (mode, masked) in [(Mode::DryRun, 2), (Mode::ReportOnly, 0)] {
        let masker = Masker::new(Detectors::builtin(), mode);
        let mut masking = masker.begin();
        let outcome = masking.body(&anthropic::MESSAGES, &raw).unwrap();
        assert!(
            matches!(outcome, Outcome::Unchanged(ref bytes) if bytes.as_ref() == raw),
            "{mode:?}"
        );
        let (tokens, report) = masking.finish();
        assert!(tokens.is_empty());
        assert_eq!((report.fields, report.masked), (1, masked), "{mode:?}");
        assert_eq!(
            report
                .findings
                .iter()
                .map(|(id, count)| (masker.class(*id).name, *count))
                .collect::<Vec<_>>(),
            [("ec2_instance", 2)]
        );
    }
}

#[test]
fn a_class_that_is_only_reported_leaves_as_it_is() {
    let masker = with_action("ec2_instance", Action::Report, Mode::Enforce);
    let mut masking = masker.begin();
    assert_eq!(masking.text(ID).unwrap(), None);
    assert_eq!(masking.finish().1.findings.len(), 1);
}

#[test]
fn of_findings_behind_escapes_and_before_them_the_strictest_counts() {
    let text = r"mail 10.0.0.1\u0040example.com";
    let masker = with_action("private_ip", Action::Report, Mode::Enforce);
    assert_eq!(
        masker.begin().text(text).unwrap().as_deref(),
        Some("mail EMAIL_001")
    );
    let masker = with_action("email", Action::Block, Mode::Enforce);
    assert!(masker.begin().text(text).is_err());
}

#[test]
fn a_bare_text_shares_the_tokens_of_the_body() {
    let mut masking = masker().begin();
    masking
        .body(
            &anthropic::MESSAGES,
            &Bytes::from(format!(r#"{{"messages":"{ID}"}}"#)),
        )
        .unwrap();
    assert_eq!(
        masking.text(&format!(r"\{ID}")).unwrap().as_deref(),
        Some(r"\EC2_001")
    );
    assert_eq!(masking.text("nothing \\u0041").unwrap(), None);
}

#[test]
fn what_is_not_json_is_refused_and_says_where() {
    let refused = |body: &'static [u8]| {
        masker()
            .begin()
            .body(&anthropic::MESSAGES, &Bytes::from_static(body))
            .unwrap_err()
    };
    assert_eq!(
        refused(b"{\"a\":1").to_string(),
        "the request body is not JSON at byte 6: expected a comma or the closing bracket"
    );
    assert!(matches!(
        refused(b"\"\xff\""),
        MaskError::NotJson(JsonError::NotUtf8 { offset: 1 })
    ));
}

#[test]
fn values_side_by_side_share_a_token() {
    let body = format!("{{\"system\":\"{PEM}{PEM}.\"}}").replace('\n', "\\n");
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    assert_eq!(masked, r#"{"system":"PRIVATE_KEY_001."}"#);
    assert_eq!(
        tokens.value("PRIVATE_KEY_001"),
        Some(format!("{PEM}{PEM}").as_str())
    );
}

#[test]
fn what_a_replacement_brings_to_light_is_masked_too() {
    // The word that makes twelve digits an account is too far away, until the key between shrinks to a token.
    let key = PEM.replace("MIIE", &"MIIE".repeat(100));
    let line = "account: 123456789012";
    let (before, digits) = line.split_at(9);
    let (masked, _) = mask(
        &anthropic::MESSAGES,
        &format!("{{\"system\":\"{before}{key} {digits}\"}}").replace('\n', "\\n"),
    );
    assert_eq!(
        masked,
        r#"{"system":"account: PRIVATE_KEY_001 ACCOUNT_001"}"#
    );
}

#[test]
fn what_was_never_looked_at_cannot_leave_where_policy_is_enforced() {
    let raw = || Bytes::from_static(b"not json");
    let masker = |mode| Masker::new(Detectors::builtin(), mode);
    assert!(masker(Mode::Enforce).unenforced(raw()).is_none());
    for mode in [Mode::ReportOnly, Mode::DryRun] {
        assert!(masker(mode).unenforced(raw()).is_some());
    }
}
