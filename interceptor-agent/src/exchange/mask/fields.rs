//! What of a request's head is masked, and what of it refuses the request.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use super::Way;
use crate::{
    http::{head, head_guard::Seen},
    mask::request::Masking,
    protocol::bedrock::account,
    refusal::{Reason, Refusal},
};

/// Fields' names as they leave, one a line: hyper writes them as the client did, and shows them in lower case, in which
/// much looks like nothing. HTTP/2 has no other.
#[derive(Clone, Default)]
pub(in crate::exchange) struct Names(Option<String>);

impl Names {
    pub(in crate::exchange) fn of(fields: &HeaderMap, seen: Option<Seen>) -> Self {
        Self(seen.and_then(|seen| seen.names_of(fields)))
    }

    fn with_capitals(&self) -> impl Iterator<Item = &str> {
        let names = self.0.iter().flat_map(|names| names.lines());
        names.filter(|name| name.bytes().any(|byte| byte.is_ascii_uppercase()))
    }

    /// Whether it is known how they were written.
    pub(super) fn are_known(&self) -> bool {
        self.0.is_some()
    }
}

/// Masks the values of headers, and refuses what can't be masked. Whether anything changed.
pub(super) fn mask(
    masking: &mut Masking<'_>,
    parts: &mut Parts,
    way: &Way,
) -> Result<bool, Refusal> {
    let changed = mask_headers(masking, parts, way.handshake)?;
    refuse_elsewhere(masking, parts, way).map(|()| changed)
}

fn mask_headers(
    masking: &mut Masking<'_>,
    parts: &mut Parts,
    handshake: bool,
) -> Result<bool, Refusal> {
    let mut changed = false;
    for (name, value) in parts
        .headers
        .iter_mut()
        .filter(|(name, _)| head::is_text(name, handshake))
    {
        let text = String::from_utf8_lossy(value.as_bytes());
        if let Some(masked) = masking.text(&text)? {
            *value = HeaderValue::try_from(masked)
                .map_err(|_| Refusal::new(Reason::Unmaskable, format!("header {name}")))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Where a token would ask for something else than was meant, a value that must not leave refuses the request; but for
/// those that say to the provider who asks.
fn refuse_elsewhere(masking: &mut Masking<'_>, parts: &Parts, way: &Way) -> Result<(), Refusal> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let target = head::without_parameter(target, way.credential);
    let known = way
        .endpoint
        .and_then(|endpoint| account(endpoint, parts.uri.path()));
    let target = &match known {
        None | Some("") => target,
        Some(known) => target.replacen(known, "", 1).into(),
    };
    let names = (parts.headers.keys())
        .map(HeaderName::as_str)
        .chain(way.names.with_capitals())
        .map(|name| ("a header's name", Cow::from(name)));
    let written = ("the path or the query", Cow::from(target.as_ref()));
    let decoded = match head::percent_decoded(target) {
        Cow::Borrowed(_) => None,
        decoded @ Cow::Owned(_) => Some((written.0, decoded)),
    };
    let method = ("the method", parts.method.as_str().into());
    let texts = [method, written].into_iter().chain(decoded);
    for (place, text) in texts.chain(names) {
        if masking.text(&text)?.is_some() {
            return Err(Refusal::new(Reason::Unmaskable, format!("in {place}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{
        mask::{Mode, detector::Detectors, request::Masker},
        protocol::GENERIC,
    };

    const ID: &str = "i-0123456789abcdef0";

    fn way(names: &str) -> Way {
        Way {
            limit: 0,
            endpoint: None,
            answered: &GENERIC,
            names: Names(Some(names.to_owned())),
            handshake: false,
            credential: Some("key"),
            tenant: None,
        }
    }

    fn masked(method: &str, target: &str, name: &str, value: &[u8]) -> Result<Parts, Refusal> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(name, "first")
            .header(name, value);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        mask(&mut masker.begin(), &mut parts, &way("")).map(|_| parts)
    }

    #[test]
    fn every_value_of_a_header_is_masked() {
        for name in ["x-note", "accept", "content-type", "anthropic-beta"] {
            let parts = masked("POST", "/", name, format!("at {ID}").as_bytes()).unwrap();
            let values: Vec<_> = parts.headers.get_all(name).iter().collect();
            assert_eq!(values, ["first", "at EC2_001"], "{name}");
        }
        let odd = [b"\xff ", ID.as_bytes()].concat();
        let parts = masked("POST", "/", "x-note", &odd).unwrap();
        assert!(
            parts
                .headers
                .get_all("x-note")
                .iter()
                .all(|value| { !String::from_utf8_lossy(value.as_bytes()).contains(ID) })
        );
        let untouched = [b"\xff ", "nothing".as_bytes()].concat();
        let parts = masked("POST", "/", "x-note", &untouched).unwrap();
        let last = parts.headers.get_all("x-note").iter().next_back();
        assert_eq!(last.map(HeaderValue::as_bytes), Some(&untouched[..]));
    }

    #[test]
    fn credentials_for_the_provider_stay() {
        let key = concat!("Bearer sk-ant-", "api03-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6-cXV4");
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "x-amz-security-token",
            "mcp-session-id",
        ] {
            let parts = masked("POST", "/", name, key.as_bytes()).unwrap();
            assert!(parts.headers.get_all(name).iter().any(|value| value == key));
        }
    }

    #[test]
    fn what_opens_a_websocket_is_left_alone_where_it_does() {
        for name in ["sec-websocket-key", "sec-websocket-protocol"] {
            for (handshake, expected) in [(true, ID), (false, "EC2_001")] {
                let request = Request::get("/").header(name, ID).body(()).unwrap();
                let (mut parts, ()) = request.into_parts();
                let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
                let way = Way {
                    handshake,
                    ..way("")
                };
                mask(&mut masker.begin(), &mut parts, &way).unwrap();
                assert_eq!(parts.headers[name], expected);
            }
        }
    }

    #[test]
    fn names_are_looked_at_as_they_leave() {
        let written = concat!("AIza", "7QSjjW5iRtu4Qz7qszVza91H1x3eLWW39p3");
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        let request = Request::post("/").header(written, "1").body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let mut refused = |names: &str| {
            mask(&mut masker.begin(), &mut parts, &way(names)).map_err(|refusal| refusal.reason)
        };
        assert_eq!(refused("x-note\n"), Ok(false));
        let written = format!("x-note\n{written}\n");
        assert_eq!(refused(&written), Err(Reason::Unmaskable));
    }

    #[test]
    fn what_says_where_a_request_goes_carries_no_value() {
        let target = format!("/v1/messages?at={ID}");
        let behind = format!("/v1/messages?key=x&my_key={ID}&key=x");
        let cases = [
            ("POST", target.as_str(), "x-note"),
            ("POST", behind.as_str(), "x-note"),
            ("POST", "/v1/messages?user=ann%40example.com", "x-note"),
            ("POST", "/v1/%69-0123456789abcdef0", "x-note"),
            ("POST", "/", ID),
            ("POST", "/", "10.0.0.1"),
            (ID, "/", "x-note"),
        ];
        for (method, target, name) in cases {
            let refused = masked(method, target, name, b"").map(|_| ()).unwrap_err();
            assert_eq!(
                refused.reason,
                Reason::Unmaskable,
                "{method} {target} {name}"
            );
        }
        assert!(masked("POST", "/v1/messages?beta=true&q=100%", "x-note", b"").is_ok());
        let credential = format!("/v1beta/models?key={ID}&alt=sse&key={ID}");
        assert!(masked("POST", &credential, "x-note", b"").is_ok());
    }
}
