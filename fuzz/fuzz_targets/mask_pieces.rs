//! As `mask_body` for one text, made of values of every class in any encoding with anything between them: a byte above ASCII is
//! one of the values, the byte behind it says how that is written.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use interceptor_agent::{
    json,
    mask::{
        Mode,
        detector::Detectors,
        request::{MaskError, Masker, Outcome},
        unmask::{Escaping, Tokens},
    },
    protocol::anthropic,
};
use interceptor_fuzz::{canaries, written};
use libfuzzer_sys::fuzz_target;

static MASKER: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce).with_cache(0));
static VALUES: LazyLock<Vec<String>> = LazyLock::new(canaries);

fuzz_target!(|input: &[u8]| {
    let text = composed(input);
    let body = Bytes::from(serde_json::json!({ "system": text }).to_string());
    let mut masking = MASKER.begin();
    let masked = match masking.body(&anthropic::MESSAGES, &body) {
        Ok(outcome) => outcome.into_masked().into_bytes(),
        Err(MaskError::Incomplete { class }) => panic!("{class} could not be masked in {text:?}"),
        Err(_) => return,
    };
    let masked_text = system(&masked);
    let tokens = Tokens::new(Arc::new(masking.finish().0));
    let back = tokens.unmask(masked_text.as_bytes(), Escaping::None);
    assert_eq!(
        String::from_utf8_lossy(&back),
        text,
        "by way of {masked_text:?}"
    );
    assert_eq!(system(&tokens.unmask(&masked, Escaping::Json)), text);
    let again = MASKER.begin().body(&anthropic::MESSAGES, &masked);
    assert!(
        matches!(again, Ok(Outcome::Unchanged(_))),
        "something shows in {masked_text:?} of {text:?}"
    );
});

fn system(body: &[u8]) -> String {
    let doc = json::parse(body).expect("masking and unmasking keep JSON");
    let system = doc.root().get("system").and_then(|system| system.text());
    system.expect("the text is kept").into_owned()
}

fn composed(input: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = input.iter();
    while let Some(&byte) = bytes.next() {
        if byte.is_ascii() {
            text.push(char::from(byte));
            continue;
        }
        let value = &VALUES[usize::from(byte & 0x7f) % VALUES.len()];
        let ways = usize::from(bytes.next().copied().unwrap_or_default());
        text.push_str(&written(&written(value, ways % 16), ways / 16));
    }
    text
}
