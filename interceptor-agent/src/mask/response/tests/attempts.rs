//! Tokens that are looked up on the way come out as if they had been known from the start.

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::protocol::openai;

const KNOWN: &str = "EC2_123456789012345678";
const GONE: &str = "EC2_876543210987654321";

fn tokens() -> Tokens {
    let own = TokenMap::from_iter([("EC2_001".to_owned(), "i-own".to_owned())]);
    Tokens::new(Arc::new(own)).with_keyed(["EC2", "VPC"].into_iter())
}

fn found(missing: Vec<String>) -> Vec<(String, Option<String>)> {
    let value = |token: &str| (token == KNOWN).then(|| "i-\"kept\"\n".to_owned());
    let found = missing.into_iter().map(|token| {
        let value = value(&token);
        (token, value)
    });
    found.collect()
}

/// The answer to these chunks, and how often something was looked up.
fn answered(framing: Framing, tokens: Tokens, chunks: &[&[u8]]) -> (Vec<u8>, usize) {
    let endpoint = match framing {
        Framing::Content => &openai::CONTENT,
        _ => &openai::RESPONSES,
    };
    let mut unmasker = Unmasker::with_limits(endpoint, framing, tokens, 8 << 20, 8 << 20);
    let mut out = BytesMut::new();
    let mut asked = 0;
    for chunk in chunks.iter().map(|chunk| Some(*chunk)).chain([None]) {
        loop {
            let missing = unmasker.attempt(chunk, &mut out).unwrap();
            if missing.is_empty() {
                break;
            }
            asked += 1;
            unmasker.resolve(found(missing));
        }
    }
    (out.to_vec(), asked)
}

/// What a provider says, in some framing: deltas of five characters, lines, a document, or a text.
fn body(framing: Framing, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let deltas = chars.chunks(5).map(|piece| {
        let delta = serde_json::Value::from(String::from_iter(piece));
        format!("data: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":{delta}}}\n\n")
    });
    let whole =
        serde_json::json!({ "output": [{ "text": text, "arguments": format!("[\"{text}\"]") }] });
    match framing {
        Framing::Sse => deltas.chain([format!("data: {{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"{text}\"}}\n\n")]).collect(),
        Framing::Items => format!("{whole}\n{whole}\n"),
        Framing::Content => format!("{whole}\nno JSON {text}\n{whole}"),
        Framing::Json => whole.to_string(),
        _ => text.to_owned(),
    }
}

proptest! {
    #[test]
    fn looked_up_or_known_is_the_same(
        framing in prop::sample::select(vec![Framing::Sse, Framing::Items, Framing::Content, Framing::Json, Framing::Text]),
        parts in prop::collection::vec(prop::sample::select(vec![KNOWN, GONE, "EC2_001", "EC2_12", " ", "_", "é", "VP"]), 0..10),
        cuts in prop::collection::vec(any::<Index>(), 0..10),
    ) {
        let text = parts.concat();
        let body = body(framing, &text);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|ends| &body.as_bytes()[ends[0]..ends[1]]).collect();
        let mut knowing = tokens();
        knowing.resolve(found(vec![KNOWN.to_owned(), GONE.to_owned()]));
        let (expected, asked) = answered(framing, knowing, &chunks);
        prop_assert_eq!(asked, 0);
        let (out, asked) = answered(framing, tokens(), &chunks);
        prop_assert_eq!(String::from_utf8(out), String::from_utf8(expected.clone()));
        prop_assert!(asked <= 2, "each token is asked for once: {}", asked);
        let shown = String::from_utf8(expected).unwrap();
        if framing == Framing::Text && text == KNOWN {
            prop_assert_eq!(shown, "i-\"kept\"\n");
        }
    }
}

#[test]
fn a_value_is_escaped_where_it_is_put_back() {
    let text = format!("a {KNOWN} {GONE}");
    let shown = |framing| {
        let body = body(framing, &text);
        let (out, asked) = answered(framing, tokens(), &[body.as_bytes()]);
        assert!((1..=2).contains(&asked), "{asked}");
        String::from_utf8(out).unwrap()
    };
    let json = format!(r#"a i-\"kept\"\n {GONE}"#);
    assert_eq!(shown(Framing::Text), format!("a i-\"kept\"\n {GONE}"));
    assert!(shown(Framing::Sse).contains(&format!(r#""text":"{json}""#)));
    let document = shown(Framing::Json);
    assert!(
        document.contains(&format!(r#""text":"{json}""#)),
        "{document}"
    );
    let nested = r#"[\"a i-\\\"kept\\\"\\n "#;
    assert!(document.contains(nested), "{document}");
}

#[test]
fn what_is_held_is_not_copied_for_every_chunk() {
    let started = std::time::Instant::now();
    let image = "A".repeat(6 << 20);
    let whole = serde_json::json!({ "type": "x", "image": image, "text": KNOWN }).to_string();
    for (framing, body) in [
        (Framing::Sse, format!("data: {whole}\n\n")),
        (Framing::Items, format!("{whole}\n")),
        (Framing::Content, format!("{whole}\n{whole}\n")),
        (Framing::Json, whole),
    ] {
        let chunks: Vec<_> = body.as_bytes().chunks(300).collect();
        let (out, asked) = answered(framing, tokens(), &chunks);
        assert_eq!(asked, 1, "{framing:?}");
        assert!(
            String::from_utf8_lossy(&out).contains("kept"),
            "{framing:?}"
        );
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
