//! Golden fixtures: `tests/fixtures/<provider>/<endpoint>/<case>/`, where the endpoint's name is that of its folder, or that
//! and the provider's before it. A case is a request and what must leave, `request.json` and `masked.json`, or an answer
//! and what the client must get, `response.*` and `unmasked.*`, by the case's own `map.json` or the one that all share.
//!
//! With `BLESS=1` in the environment the second file of each pair is written instead of compared: read the difference.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use super::{
    Mode,
    detector::Detectors,
    request::Masker,
    response::{Framing, Unmasker},
    token::TokenMap,
};
use crate::protocol::{Endpoint, route};

/// Endings of answers, and the content types that they stand for.
const FRAMINGS: [(&str, &str); 3] = [
    ("json", "application/json"),
    ("sse", "text/event-stream"),
    ("jsonl", "application/x-ndjson"),
];

struct Case {
    endpoint: &'static Endpoint,
    folder: PathBuf,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.path()).collect()
}

fn cases() -> Vec<Case> {
    let all = Endpoint::all();
    let mut cases = Vec::new();
    for provider in folders(&fixtures()) {
        for endpoint in folders(&provider) {
            let name = endpoint.file_name().unwrap().to_string_lossy();
            let long = format!("{}_{name}", provider.file_name().unwrap().to_string_lossy());
            let found = all
                .iter()
                .find(|known| [&*name, &*long].contains(&known.name));
            let found = found.unwrap_or_else(|| panic!("{}: no endpoint", endpoint.display()));
            cases.extend(folders(&endpoint).into_iter().map(|folder| Case {
                endpoint: found,
                folder,
            }));
        }
    }
    cases
}

/// Compares, or with `BLESS=1` writes.
fn expect(file: &Path, found: &str) {
    if env::var_os("BLESS").is_some() {
        return fs::write(file, found).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(found, expected, "{}", file.display());
}

#[test]
fn requests() {
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    for Case { endpoint, folder } in cases() {
        let Ok(request) = fs::read_to_string(folder.join("request.json")) else {
            continue;
        };
        let mut masking = masker.begin();
        let raw = Bytes::from(request.clone());
        let masked = masking.body(endpoint, &raw).unwrap().into_masked();
        let masked = String::from_utf8(masked.into_bytes().to_vec()).unwrap();
        expect(&folder.join("masked.json"), &masked);
        assert_ne!(masked, request, "{}: nothing to find", folder.display());
    }
}

#[test]
fn answers() {
    for Case { endpoint, folder } in cases() {
        let own = fs::read(folder.join("map.json"));
        let map = own.unwrap_or_else(|_| fs::read(fixtures().join("map.json")).unwrap());
        let map = Arc::new(TokenMap::from_json(&map).unwrap());
        for (ending, content_type) in FRAMINGS {
            let Ok(body) = fs::read(folder.join("response").with_extension(ending)) else {
                continue;
            };
            let framing = Framing::of(endpoint, content_type);
            for size in [body.len(), 1, 7] {
                let mut unmasker = Unmasker::new(endpoint, framing, Arc::clone(&map));
                let mut out = BytesMut::new();
                for chunk in body.chunks(size) {
                    unmasker.push(chunk, &mut out).unwrap();
                }
                unmasker.finish(&mut out).unwrap();
                let out = String::from_utf8(out.to_vec()).unwrap();
                expect(&folder.join("unmasked").with_extension(ending), &out);
            }
        }
    }
}

/// A path, an answer or a kind of event that nobody wrote a fixture for is named.
#[test]
fn every_endpoint_has_its_fixtures() {
    let mut missing = Vec::new();
    let cases = cases();
    // Messages of gRPC are no files to read.
    for endpoint in Endpoint::all()
        .into_iter()
        .filter(|endpoint| !endpoint.is_grpc())
    {
        let own = || cases.iter().filter(|case| case.endpoint == endpoint);
        let has = |name: &str| own().any(|case| case.folder.join(name).exists());
        let mut need = |there: bool, what: &str| {
            if !there {
                missing.push(format!("{endpoint:?}: {what}"));
            }
        };
        need(
            has("request.json") || !route::takes_body(endpoint),
            "a request",
        );
        let streams = ["sse", "jsonl"].map(|ending| format!("response.{ending}"));
        need(
            has("response.json") || streams.iter().any(|name| has(name)),
            "an answer",
        );
        let Some(stream) = endpoint.answer.stream else {
            continue;
        };
        need(streams.iter().any(|name| has(name)), "a stream");
        let same = |case: &&Case| {
            let other = case.endpoint.answer.stream;
            other.is_some_and(|other| std::ptr::eq(other, stream))
        };
        let files = cases.iter().filter(same).flat_map(|case| {
            let read = |(ending, _)| {
                fs::read_to_string(case.folder.join("response").with_extension(ending))
            };
            FRAMINGS.map(read)
        });
        let seen: String = files.filter_map(Result::ok).collect();
        for kind in stream.kinds {
            let shown = [format!("\"{kind}\""), format!("event: {kind}\n")];
            need(shown.iter().any(|shown| seen.contains(shown)), kind);
        }
    }
    assert!(
        missing.is_empty(),
        "no fixture for\n  {}",
        missing.join("\n  ")
    );
}
