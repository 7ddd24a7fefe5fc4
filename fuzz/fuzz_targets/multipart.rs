//! Whatever the form: its parts are all of it but for delimiters, and a masked one has the same parts and nothing left to mask.
//! The first line is the boundary.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use interceptor_agent::{
    mask::{
        Mode,
        detector::Detectors,
        request::{MaskError, Masker, Outcome},
    },
    multipart::{self, Boundary, Part},
};
use libfuzzer_sys::fuzz_target;

static MASKER: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Detectors::builtin(), Mode::Enforce));

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (line, raw) = (String::from_utf8_lossy(&input[..end]), &input[end + 1..]);
    let content_type = format!("multipart/form-data; boundary={line}");
    let Ok(Some(boundary)) = Boundary::of_content_type(&content_type) else {
        return;
    };
    let Ok(parts) = multipart::parse(raw, &boundary) else {
        return;
    };
    let written = written(raw, &parts, boundary.as_str());
    assert!(raw == written || raw.strip_suffix(b"\r\n") == Some(&written));
    let form = |raw: &Bytes| {
        let mut masking = MASKER.begin();
        masking.pass_unread(true);
        masking.form(&boundary, raw)
    };
    let masked = match form(&Bytes::copy_from_slice(raw)) {
        Ok(outcome) => outcome.into_masked().into_bytes(),
        Err(MaskError::Incomplete { class }) => panic!("{class} could not be masked"),
        Err(_) => return,
    };
    let again = form(&masked);
    assert!(matches!(again, Ok(Outcome::Unchanged(_))), "{again:?}");
});

fn written(raw: &[u8], parts: &[Part], boundary: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(&raw[part.head.clone()]);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&raw[part.content.clone()]);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--").as_bytes());
    out
}
