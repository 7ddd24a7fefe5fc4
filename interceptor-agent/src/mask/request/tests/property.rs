//! Whatever the text and however its JSON is written: nothing shows, and unmasking gives it back.

use proptest::prelude::*;

use super::*;

/// Writes each character of `text` in one of the ways that JSON has for it.
fn escaped(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut out = String::new();
    for char in text.chars() {
        let short = match char {
            '\n' => Some("\\n"),
            '\t' => Some("\\t"),
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '/' => Some("\\/"),
            _ => None,
        };
        let must = char < ' ' || char == '"' || char == '\\';
        match (choices.next().copied().unwrap_or_default() % 4, short) {
            (0, Some(short)) => out.push_str(short),
            (0 | 1, _) | (2 | 3, _) if must || char == '/' => {
                out.push_str(short.unwrap_or("\\u0001"))
            }
            (1, _) => char
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04X}"))),
            _ => out.push(char),
        }
    }
    out
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(ID.to_owned()),
        Just(OTHER.to_owned()),
        Just("ann@example.com".to_owned()),
        Just("4111111111111111".to_owned()),
        Just(PEM.to_owned()),
        "(EC2|EMAIL|PRIVATE_KEY|PRIVATE\\\\_KEY)(_|\\\\_)00[1-4]",
        "[ -~éß가😀\n\t]{0,6}",
        "[ .,:;_/\\\\\"n0-9]{1,2}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn unmasking_what_was_masked_is_the_original(
        texts in prop::collection::vec(pieces(), 1..4),
        choices in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let turns: Vec<_> = texts.iter().map(|text| format!(r#"{{"content":"{}"}}"#, escaped(text, &choices))).collect();
        let (masked, tokens) = mask(Endpoint::AnthropicMessages, &format!(r#"{{"messages":[{}]}}"#, turns.join(",")));
        let doc = json::parse(masked.as_bytes()).expect("masking keeps JSON");
        let turns = doc.root().get("messages").expect("the key is kept");
        for (turn, original) in turns.items().zip(&texts) {
            let text = turn.get("content").and_then(|content| content.text()).expect("the text is kept");
            prop_assert_eq!(&unmask(&text, &tokens), original, "{}", text);
        }
    }

    #[test]
    fn no_escaping_hides_a_value(before in "[ -~é\\n]{0,8}", after in "[ -~é\\n]{0,8}", choices in prop::collection::vec(any::<u8>(), 1..40)) {
        let text = escaped(&format!("{before} {ID}, {after}"), &choices);
        let (masked, _) = mask(Endpoint::AnthropicMessages, &format!(r#"{{"system":"{text}"}}"#));
        let doc = json::parse(masked.as_bytes()).expect("masking keeps JSON");
        let system = doc.root().get("system").and_then(|system| system.text()).expect("the text is kept");
        prop_assert!(system.contains("EC2_0") && !system.contains(ID), "{}", system);
    }
}

/// Puts values back as a careful reader does: a token counts only where it stands by itself.
fn unmask(text: &str, tokens: &TokenMap) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let after = |token: &str| {
            text[at..]
                .strip_prefix(token)
                .filter(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
        };
        let mut found = tokens
            .iter()
            .filter(|_| stands_alone(&text.as_bytes()[..at]));
        match found.find_map(|(token, value)| Some((value, after(token)?))) {
            Some((value, after)) => {
                out.push_str(value);
                at = text.len() - after.len();
            }
            None => {
                out.push(next);
                at += next.len_utf8();
            }
        }
    }
    out
}

fn stands_alone(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !last.is_ascii_alphanumeric() && *last != b'_',
        [] => true,
    }
}
