//! Request heads: whom a request is for, and what of its headers goes on.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, Request,
    header::{self, Entry},
};

use crate::multipart::{Boundary, FormError};

/// Headers of one hop (RFC 9110 §7.6.1).
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers of one hop that no standard has any more.
const HOP_BY_HABIT: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Headers that carry credentials for the provider, or that are read here and so say nothing else. A cookie is what the
/// provider's own front set: Cloudflare's have a version in them that reads as an address, and are void when changed.
const NOT_TEXT: [&str; 9] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    // Temporary credentials of STS, signed with the rest, have the account's number in their base64.
    "x-amz-security-token",
    // The server's name for a session (Model Context Protocol, Streamable HTTP); a JWT with some.
    "mcp-session-id",
    "host",
    "content-encoding",
];

/// The same of a WebSocket's handshake: its key, and where browsers have to put their credentials.
const NOT_TEXT_OF_HANDSHAKE: [&str; 2] = ["sec-websocket-key", "sec-websocket-protocol"];

/// Whether every name the request gives for its host is this one: `:authority`, absolute request target and `Host`
/// (RFC 9112 §3.2), each with this port or none. A front that reads another of them than we do would lead the request
/// elsewhere.
pub fn is_for<B>(request: &Request<B>, host: &str, port: u16) -> bool {
    let mut named = false;
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let headers = request.headers().get_all(header::HOST).iter();
    for name in authority
        .into_iter()
        .map(Some)
        .chain(headers.map(|value| value.to_str().ok()))
    {
        let Some(name) = name else { return false };
        if !same_host(name, host, port) {
            return false;
        }
        named = true;
    }
    named && request.headers().get_all(header::HOST).iter().count() <= 1
}

fn same_host(name: &str, host: &str, port: u16) -> bool {
    let name = match name.rsplit_once(':') {
        Some((name, given)) if given.parse() == Ok(port) => name,
        _ => name,
    };
    name.strip_suffix('.')
        .unwrap_or(name)
        .eq_ignore_ascii_case(host)
}

/// Removes the headers of one hop, and those that `Connection` names.
pub fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    remove(headers, |name| {
        named.contains(name) || HOP.contains(name) || HOP_BY_HABIT.contains(&name.as_str())
    });
}

/// Asks for the whole where a part was asked for: in parts, a token across their ends could not be put back, and lengths of
/// what was put back are not the provider's.
pub fn ask_for_whole(headers: &mut HeaderMap) {
    remove(headers, |name| {
        *name == header::RANGE || *name == header::IF_RANGE
    });
}

/// What gRPC needs of this hop: trailers, and answers that are not compressed.
pub fn for_grpc(headers: &mut HeaderMap) {
    remove(headers, |name| name.as_str() == "grpc-accept-encoding");
    headers.insert(header::TE, header::HeaderValue::from_static("trailers"));
}

/// Removes fields, and leaves the others in their order: `HeaderMap::remove` puts the last one into the gap.
pub fn remove(headers: &mut HeaderMap, gone: impl Fn(&HeaderName) -> bool) {
    if !headers.keys().any(&gone) {
        return;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    let mut last = None;
    // Only the first of several values comes with its name.
    for (name, value) in headers.drain() {
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| !gone(name)) {
            kept.append(name, value);
        }
    }
    *headers = kept;
}

/// Says the length of a body where one was said, in its place.
pub fn set_length(headers: &mut HeaderMap, length: usize) {
    if let Entry::Occupied(mut said) = headers.entry(header::CONTENT_LENGTH) {
        said.insert(length.into());
    }
}

/// The boundary of a form's body; `None`: it is no form.
///
/// # Errors
/// When the headers leave open whether it is one, or what the boundary is.
pub fn form_boundary(headers: &HeaderMap) -> Result<Option<Boundary>, FormError> {
    let mut found = None;
    let types = headers.get_all(header::CONTENT_TYPE);
    let several = types.iter().count() > 1;
    for value in types {
        let value = String::from_utf8_lossy(value.as_bytes());
        found = found.or(Boundary::of_content_type(&value)?);
    }
    match found {
        Some(_) if several => Err(FormError::Boundary),
        found => Ok(found),
    }
}

/// Whether a header's value is text that a process could put anything into; `handshake`: that of a WebSocket.
pub fn is_text(name: &HeaderName, handshake: bool) -> bool {
    let name = name.as_str();
    let of_handshake = handshake && NOT_TEXT_OF_HANDSHAKE.contains(&name);
    !(of_handshake || NOT_TEXT.contains(&name))
}

/// A request target without the parameters of this name.
pub fn without_parameter<'t>(target: &'t str, name: Option<&str>) -> Cow<'t, str> {
    let (Some((path, query)), Some(name)) = (target.split_once('?'), name) else {
        return target.into();
    };
    let is_other = |pair: &&str| pair.split_once('=').is_none_or(|(key, _)| key != name);
    let others: Vec<_> = query.split('&').filter(is_other).collect();
    format!("{path}?{}", others.join("&")).into()
}

/// A request target as its reader has it (RFC 3986 §2.1; `+` in a query is a space). Escapes that are none stay.
pub fn percent_decoded(target: &str) -> Cow<'_, str> {
    if !target.contains(['%', '+']) {
        return target.into();
    }
    let hex = |digit: &u8| char::from(*digit).to_digit(16);
    let mut decoded = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..])
                if let (Some(high), Some(low)) = (hex(high), hex(low)) =>
            {
                rest = after;
                (high << 4 | low) as u8
            }
            _ => *first,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned().into()
}

/// Whether the request asks for a WebSocket (RFC 6455 §4.1; over HTTP/2 RFC 8441).
pub fn is_websocket<B>(request: &Request<B>) -> bool {
    let upgrade = request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        || request.extensions().get::<hyper::ext::Protocol>().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.parse().unwrap();
        for host in hosts {
            request
                .headers_mut()
                .append(header::HOST, host.parse().unwrap());
        }
        request
    }

    #[test]
    fn no_part_is_asked_for() {
        let mut request = request("/v1", &["a.example"]);
        let headers = request.headers_mut();
        headers.insert(header::RANGE, "bytes=0-9".parse().unwrap());
        headers.insert(header::IF_RANGE, "\"e\"".parse().unwrap());
        ask_for_whole(headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header::HOST]);
    }

    #[test]
    fn every_name_has_to_agree() {
        let host = "api.openai.com";
        assert!(is_for(&request("/v1", &["API.openai.com"]), host, 443));
        assert!(is_for(&request("/v1", &["api.openai.com:443"]), host, 443));
        assert!(is_for(
            &request("/v1", &["api.openai.com:8443"]),
            host,
            8443
        ));
        assert!(!is_for(
            &request("/v1", &["api.openai.com:443"]),
            host,
            8443
        ));
        assert!(is_for(
            &request("https://api.openai.com/v1", &[]),
            host,
            443
        ));
        assert!(is_for(
            &request("https://api.openai.com/v1", &["api.openai.com."]),
            host,
            443
        ));
        assert!(!is_for(&request("/v1", &[]), host, 443), "no name at all");
        assert!(!is_for(&request("/v1", &["other.example"]), host, 443));
        assert!(
            !is_for(
                &request("/v1", &["api.openai.com", "api.openai.com"]),
                host,
                443
            ),
            "two Host headers"
        );
        assert!(!is_for(
            &request("https://other.example/v1", &["api.openai.com"]),
            host,
            443
        ));
        assert!(!is_for(
            &request("https://api.openai.com/v1", &["other.example"]),
            host,
            443
        ));
    }

    #[test]
    fn percent_escapes_are_read_and_what_is_none_stays() {
        assert_eq!(percent_decoded("/v1?a=b"), "/v1?a=b");
        assert_eq!(percent_decoded("/a%40b+c%2e%C3%A9%4%zz%"), "/a@b c.é%4%zz%");
    }

    #[test]
    fn hop_headers_stay_behind() {
        let mut headers: HeaderMap = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("x-end", "2"),
        ]
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
        strip_hop(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("x-end"));
    }

    #[test]
    fn what_stays_stays_in_its_order() {
        let names = ["a", "content-length", "te", "b", "c", "b", "d"];
        let mut headers = HeaderMap::new();
        for (name, value) in names.into_iter().zip(1..) {
            headers.append(name, value.into());
        }
        strip_hop(&mut headers);
        set_length(&mut headers, 99);
        let left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let right = [
            ("a", "1"),
            ("content-length", "99"),
            ("b", "4"),
            ("b", "6"),
            ("c", "5"),
            ("d", "7"),
        ];
        assert_eq!(left, right);
        remove(&mut headers, |name| name == header::CONTENT_LENGTH);
        set_length(&mut headers, 99);
        assert_eq!(headers.len(), 5, "none is added");
    }
}
