//! Golden fixtures: `tests/fixtures/<protocol>/<case>/request.json` and the `masked.json` that must leave.

use std::{fs, path::Path};

use bytes::Bytes;

use super::{Masker, Mode};
use crate::{mask::detector::Detectors, protocol::Protocol};

#[test]
fn fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let mut seen = 0;
        for case in fs::read_dir(folder.join(protocol.name())).unwrap() {
            let case = case.unwrap().path();
            let Ok(request) = fs::read(case.join("request.json")) else {
                continue;
            };
            let masked = masker
                .begin()
                .body(protocol.chat(), &Bytes::from(request))
                .unwrap()
                .into_masked()
                .into_bytes();
            let expected = fs::read_to_string(case.join("masked.json")).unwrap_or_default();
            assert_eq!(
                String::from_utf8_lossy(&masked),
                expected,
                "{}",
                case.display()
            );
            seen += 1;
        }
        assert!(seen > 0, "no request fixture for {protocol}");
    }
}
