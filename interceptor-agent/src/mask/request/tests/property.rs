//! Whatever the text and however its JSON is written: nothing shows, and unmasking gives it back.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mask::unmask::{Escaping, Tokens};

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
        let (masked, tokens) = mask(&anthropic::MESSAGES, &format!(r#"{{"messages":[{}]}}"#, turns.join(",")));
        let doc = json::parse(masked.as_bytes()).expect("masking keeps JSON");
        let turns = doc.root().get("messages").expect("the key is kept");
        for (turn, original) in turns.items().zip(&texts) {
            let text = turn.get("content").and_then(|content| content.text()).expect("the text is kept");
            prop_assert_eq!(&unmask(&text, &tokens), original, "{}", text);
        }
    }

    #[test]
    fn what_a_model_said_goes_back_to_it_in_its_own_words(
        said in prop::collection::vec(("(is |version |in |_|, )", 0usize..5, "( |s |_x |, |\n|'s )"), 1..8),
    ) {
        let asked = format!("account 123456789012 with {ID} and {OTHER} at 10.0.0.1, card 4111111111111111");
        let turn = |text: &str| format!(r#"{{"content":"{}"}}"#, text.replace('\n', "\\n"));
        let tokens = mask(&anthropic::MESSAGES, &format!(r#"{{"messages":[{}]}}"#, turn(&asked))).1;
        let names = ["ACCOUNT_001", "EC2_001", "EC2_002", "PRIVATE_IP_001", "CARD_001"];
        let said: String = said.iter().map(|(before, name, after)| format!("{before}{}{after}", names[*name])).collect();
        let answer = turn(&unmask(&said, &tokens));
        let (masked, again) = mask(&anthropic::MESSAGES, &format!(r#"{{"messages":[{},{answer}]}}"#, turn(&asked)));
        prop_assert!(masked.ends_with(&format!("{}]}}", turn(&said))), "{} in {}", said, masked);
        prop_assert_eq!(again, tokens);
    }

    #[test]
    fn no_escaping_hides_a_value(before in "[ -~é\\n]{0,8}", after in "[ -~é\\n]{0,8}", choices in prop::collection::vec(any::<u8>(), 1..40)) {
        let text = escaped(&format!("{before} {ID}, {after}"), &choices);
        let (masked, _) = mask(&anthropic::MESSAGES, &format!(r#"{{"system":"{text}"}}"#));
        let doc = json::parse(masked.as_bytes()).expect("masking keeps JSON");
        let system = doc.root().get("system").and_then(|system| system.text()).expect("the text is kept");
        prop_assert!(system.contains("EC2_0") && !system.contains(ID), "{}", system);
    }
}

fn unmask(text: &str, tokens: &TokenMap) -> String {
    let tokens = Tokens::new(Arc::new(tokens.clone()));
    String::from_utf8_lossy(&tokens.unmask(text.as_bytes(), Escaping::None)).into_owned()
}
