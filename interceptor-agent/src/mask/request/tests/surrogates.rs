//! Stand-ins that keep their value's shape: both ways, over a growing conversation, beside literals, under every look.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mask::{
    detector::rules::Rules,
    response::{Framing, Unmasker},
    unmask::{Escaping, Pieces, Tokens},
};

const ACCOUNT: &str = "123456789012";

fn masker() -> &'static Masker {
    static MASKER: LazyLock<Masker> = LazyLock::new(|| {
        let classes = [
            "private_ip",
            "public_ip",
            "ec2_instance",
            "vpc",
            "arn_account",
            "email",
            "mac_address",
        ];
        let rules = Rules {
            surrogates: classes.map(str::to_owned).into(),
            ..Rules::default()
        };
        let detectors = Detectors::new(&BTreeMap::new(), &rules).unwrap();
        Masker::new(detectors, Mode::Enforce)
    });
    &MASKER
}

fn mask(body: &str) -> (String, TokenMap) {
    let mut masking = masker().begin();
    let masked = masking.body(&anthropic::MESSAGES, &Bytes::from(body.to_owned()));
    let masked = masked.unwrap().into_masked().into_bytes();
    (
        String::from_utf8(masked.to_vec()).unwrap(),
        masking.finish().0,
    )
}

fn text(text: &str) -> (String, TokenMap) {
    let mut masking = masker().begin();
    let masked = masking.text(text).unwrap();
    (
        masked.unwrap_or_else(|| text.to_owned()),
        masking.finish().0,
    )
}

fn unmask(text: &str, tokens: &TokenMap) -> String {
    let tokens = Tokens::new(Arc::new(tokens.clone()));
    String::from_utf8_lossy(&tokens.unmask(text.as_bytes(), Escaping::None)).into_owned()
}

#[test]
fn values_keep_their_shape_and_their_networks() {
    let said = format!(
        "{ID} in 10.1.2.0/24 at 10.1.2.3:8080 and 10.1.9.7, ann@corp-mail.example, 8.8.8.8, fd12:3456::7, \
         link/ether 02:1a:80:41:52:9c, arn:aws:iam::{ACCOUNT}:role/MyRole"
    );
    let (masked, tokens) = text(&said);
    assert_eq!(
        masked,
        "i-00000000000000001 in 240.1.2.0/24 at 240.1.2.2:8080 and 240.1.8.4, mail-001@masked.invalid, 240.2.8.8, 3fff:1::4, \
         link/ether 02:00:00:00:00:01, arn:aws:iam::900000000001:role/MyRole"
    );
    assert_eq!(unmask(&masked, &tokens), said);
    let json = tokens.to_json();
    assert_eq!(TokenMap::from_json(json.as_bytes()).unwrap(), tokens);
}

#[test]
fn a_conversation_that_grows_keeps_them() {
    let turns = [
        "10.1.2.3 and 10.2.2.2",
        "10.1.2.0/24 then 10.1.2.77",
        "i-0123456789abcdef0, 10.1.2.3",
    ];
    let mut earlier = String::new();
    for count in 1..=turns.len() {
        let turns: Vec<_> = turns[..count]
            .iter()
            .map(|turn| format!(r#"{{"content":"{turn}"}}"#))
            .collect();
        let body = format!(r#"{{"messages":[{}]}}"#, turns.join(","));
        let (masked, tokens) = mask(&body);
        let prefix = masked.strip_suffix("]}").unwrap();
        assert!(prefix.starts_with(&earlier), "{prefix} after {earlier}");
        assert_eq!(unmask(&masked, &tokens), body);
        earlier = prefix.to_owned();
    }
    assert!(earlier.contains("240.1.2.0/24"), "{earlier}");
}

#[test]
fn what_looks_like_one_keeps_its_meaning() {
    // Before the value it keeps its number; after it, it is a value itself.
    for (said, shown) in [
        (
            "keep i-00000000000000001; i-0123456789abcdef0",
            "i-00000000000000002",
        ),
        (
            "mail-001@masked.invalid and ann@corp-mail.example",
            "mail-003@masked.invalid",
        ),
    ] {
        let (masked, tokens) = text(said);
        assert!(masked.contains(shown), "{masked}");
        assert_eq!(unmask(&masked, &tokens), said);
    }
    let body = r#"{"messages":[{"content":"at 10.1.2.3"},{"content":"is 240.1.2.2 the same?"}]}"#;
    let (masked, tokens) = mask(body);
    assert!(
        masked.contains("at 240.1.2.2") && !masked.contains("is 240.1.2.2 "),
        "{masked}"
    );
    assert_eq!(unmask(&masked, &tokens), body);
}

#[test]
fn where_they_read_as_another_value_there_are_tokens() {
    let said = format!("{ID}'3fff:1::1ann@corp-mail.example and 10.1.2.3");
    let body = serde_json::json!({ "messages": [{ "content": said }] }).to_string();
    let (masked, tokens) = mask(&body);
    assert!(masked.contains("EMAIL_001 and "), "{masked}");
    assert_eq!(unmask(&masked, &tokens), body);
    // Behind it comes another stand-in, and not what the text has there.
    let body = r#"{"messages":[{"content":"02:1a:80:41:52:9c:_ann@corp-mail.examplei-00000000000000001"}]}"#;
    let (masked, tokens) = mask(body);
    assert_eq!(unmask(&masked, &tokens), body, "{masked}");
}

#[test]
fn a_form_takes_the_care_that_its_hardest_part_needs() {
    let hard = format!("{ID}'3fff:1::1ann@corp-mail.example and 10.1.2.3");
    let json = serde_json::json!([hard]).to_string();
    let part = |content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{content}\r\n")
    };
    let raw = Bytes::from(["see 10.1.2.3", &json, &hard].map(part).concat() + "--b--\r\n");
    let boundary = crate::multipart::Boundary::of_content_type("multipart/form-data; boundary=b");
    let mut masking = masker().begin();
    let masked = masking.form(&boundary.unwrap().unwrap(), &raw).unwrap();
    let masked = String::from_utf8(masked.into_masked().into_bytes().into()).unwrap();
    assert_eq!(masked.matches("EMAIL_001").count(), 2, "{masked}");
    assert_eq!(unmask(&masked, &masking.finish().0), raw);
}

#[test]
fn a_real_value_beside_them_still_shows() {
    let mut masking = masker().begin();
    masking
        .text("at 10.1.2.3 with i-0123456789abcdef0")
        .unwrap();
    let numbering = &masking.state.numbering;
    let finder = masker().finder();
    let shows = |text: &str| {
        finder
            .visible(text, numbering)
            .map(|class| masker().class(class).name)
    };
    assert_eq!(shows("at 240.1.2.2 with i-00000000000000001"), None);
    assert_eq!(
        shows("at 240.1.2.2 with i-0fedcba9876543210"),
        Some("ec2_instance")
    );
    assert_eq!(
        shows("i-00000000000000002"),
        Some("ec2_instance"),
        "nobody was given this one"
    );
}

#[test]
fn streams_put_them_back_however_they_are_cut() {
    let said =
        r"at 10.1.2.3. And 10.1.2.34, \n10.1.2.3:80 ann@corp-mail.example. i-0123456789abcdef0";
    let (masked, tokens) = text(said);
    let tokens = Tokens::new(Arc::new(tokens));
    for size in 1..20 {
        let mut pieces = Pieces::new(Escaping::None);
        let mut out = Vec::new();
        for piece in masked.as_bytes().chunks(size) {
            out.extend_from_slice(&pieces.push(&tokens, piece));
        }
        out.extend_from_slice(&pieces.finish(&tokens, b""));
        assert_eq!(String::from_utf8(out).unwrap(), said, "{size}");
    }
    let other = "240.1.2.25 240.1.2.2.2 i-00000000000000001a mail-001@masked.invalid.com";
    let whole = tokens.unmask(other.as_bytes(), Escaping::None).into_owned();
    assert_eq!(String::from_utf8(whole).unwrap(), other);
}

#[test]
fn a_request_sent_again_has_the_same() {
    let masker = Masker::new(Arc::clone(&masker().detectors), Mode::Enforce);
    let long = format!(
        "{} at 10.1.2.3, 240.1.2.2 and i-0123456789abcdef0",
        "word ".repeat(200)
    );
    let turn = format!(r#"{{"content":"{long}"}}"#);
    let body = Bytes::from(format!(
        r#"{{"messages":[{turn},{{"content":"and 10.1.2.9"}}]}}"#
    ));
    let run = || {
        let mut masking = masker.begin();
        let masked = masking.body(&anthropic::MESSAGES, &body).unwrap();
        (masked.into_masked().into_bytes(), masking.finish())
    };
    let (first, again) = (run(), run());
    assert_eq!((first.0, first.1.0), (again.0, again.1.0));
    assert!(again.1.1.cached_bytes > 0);
}

#[test]
fn an_answer_that_is_looked_at_may_have_them() {
    use crate::mask::watch::Watch;
    let (masked, tokens) = text("ann@corp-mail.example at 10.1.2.3");
    let detectors = Detectors::with_actions(&BTreeMap::from([
        ("email".to_owned(), Action::Block),
        ("public_ip".to_owned(), Action::Block),
    ]));
    let watching = Arc::new(Watch::new(Arc::new(detectors.unwrap()), Mode::Enforce)).begin();
    let tokens = Tokens::new(Arc::new(tokens)).watched(Some(watching.clone()));
    let mut unmasker =
        Unmasker::with_limits(&openai::CHAT, Framing::Json, tokens, 1 << 20, 1 << 20);
    let body = format!(r#"{{"choices":[{{"message":{{"content":"so {masked}"}}}}]}}"#);
    let mut out = bytes::BytesMut::new();
    unmasker.push(body.as_bytes(), &mut out).unwrap();
    unmasker.finish(&mut out).unwrap();
    assert!(String::from_utf8_lossy(&out).contains("so ann@corp-mail.example at 10.1.2.3"));
    assert_eq!(watching.report(), []);
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(ID.to_owned()),
        Just("ann@corp-mail.example".to_owned()),
        "10\\.[01]\\.[0-3]\\.[0-9]{1,2}",
        "fd00::[1-9]",
        "arn:aws:iam::12345678901[0-9]:role/x",
        Just("02:1a:80:41:52:9c".to_owned()),
        "(240\\.1\\.[0-3]\\.[0-4]|i-0000000000000000[1-3]|mail-00[1-3]@masked\\.invalid|3fff:1::[1-4]|90000000000[1-3])",
        "[ -~éß가\n\t]{0,6}",
        "[ .,:;_/\\\\\"n0-9-]{1,2}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn unmasking_gives_back_what_was_masked(texts in prop::collection::vec(pieces(), 1..4)) {
        let turns: Vec<_> = texts.iter().map(|text| serde_json::json!({ "content": text }).to_string()).collect();
        let (masked, tokens) = mask(&format!(r#"{{"messages":[{}]}}"#, turns.join(",")));
        let masked: serde_json::Value = serde_json::from_str(&masked).expect("masking keeps JSON");
        for (turn, original) in masked["messages"].as_array().expect("turns").iter().zip(&texts) {
            let text = turn["content"].as_str().expect("text");
            prop_assert_eq!(&unmask(text, &tokens), original, "{}", text);
        }
    }
}
