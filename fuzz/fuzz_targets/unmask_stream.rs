//! Whatever a model says, at every depth of escaping: unmasked in pieces it is what it is unmasked as a whole, nothing stays
//! held, and unmasking what is escaped is unmasking what it says.
#![no_main]

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use interceptor_agent::mask::{
    token::TokenMap,
    unmask::{Escaping, Pieces, Tokens},
};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

/// One token goes on where another ends, and one value holds what looks like a token.
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let map = [
        ("EC2_001", "i-0abc"),
        ("EC2_0012", "i-0def"),
        ("E_001", "e\"\\\n"),
        ("PRIVATE_KEY_001", "-----\nEC2_001\t\u{1}é😀"),
    ];
    let map: TokenMap = map
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    Tokens::new(Arc::new(map))
});

fuzz_target!(|raw: &[u8]| {
    for escaping in [Escaping::None, Escaping::Json, Escaping::JsonInJson] {
        let whole = TOKENS.unmask(raw, escaping);
        for chunks in cuts(raw) {
            let mut pieces = Pieces::new(escaping);
            let mut out = Vec::new();
            for chunk in chunks {
                out.extend_from_slice(&pieces.push(&TOKENS, chunk));
            }
            out.extend_from_slice(&pieces.finish(&TOKENS, b""));
            assert!(!pieces.is_holding());
            assert_eq!(
                String::from_utf8_lossy(&out),
                String::from_utf8_lossy(&whole)
            );
        }
    }
    let Some(said) = read(raw) else { return };
    let unmasked = read(&TOKENS.unmask(raw, Escaping::Json));
    assert_eq!(unmasked.as_deref(), Some(&*plain(said.as_bytes())));
    let Some(said) = read(said.as_bytes()) else {
        return;
    };
    let unmasked =
        read(&TOKENS.unmask(raw, Escaping::JsonInJson)).and_then(|text| read(text.as_bytes()));
    assert_eq!(unmasked.as_deref(), Some(&*plain(said.as_bytes())));
});

fn plain(said: &[u8]) -> Cow<'_, str> {
    match TOKENS.unmask(said, Escaping::None) {
        Cow::Borrowed(same) => String::from_utf8_lossy(same),
        Cow::Owned(unmasked) => String::from_utf8_lossy(&unmasked).into_owned().into(),
    }
}

/// What the inside of a JSON string says, if that is what it is.
fn read(raw: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", raw, b"\""].concat()).ok()
}
