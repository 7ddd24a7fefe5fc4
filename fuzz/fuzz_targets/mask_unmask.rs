//! Whatever the text: masking and unmasking gives it back, and what is masked shows no value that has to be masked.
#![no_main]

use std::sync::{Arc, LazyLock};

use interceptor_agent::mask::{
    Mode,
    detector::Detectors,
    request::{MaskError, Masker},
    unmask::{Escaping, Tokens},
};
use libfuzzer_sys::fuzz_target;

static MASKER: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce));

fuzz_target!(|text: &str| {
    let mut masking = MASKER.begin();
    let masked = match masking.text(text) {
        Ok(masked) => masked.unwrap_or_else(|| text.to_owned()),
        // Nothing left; that the mask gave up is a finding all the same.
        Err(MaskError::Incomplete { class }) => panic!("{class} could not be masked"),
        Err(_) => return,
    };
    let (tokens, _) = masking.finish();
    let unmasked = Tokens::new(Arc::new(tokens))
        .unmask(masked.as_bytes(), Escaping::None)
        .into_owned();
    assert_eq!(unmasked, text.as_bytes());
    // Masked again, nothing is left to mask.
    assert_eq!(MASKER.begin().text(&masked).ok(), Some(None), "{masked}");
});
