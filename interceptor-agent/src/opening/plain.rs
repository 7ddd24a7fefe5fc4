//! Plain HTTP at the start of a connection: whom a request is for, and where it ends.

use std::borrow::Cow;

use super::{Opening, Request};
use crate::http::framing::Body;

/// Bytes and fields of a head that are read to find its host; servers take less.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 256;

const CONNECT: &str = "CONNECT";

/// `None`: more bytes are needed.
pub(super) fn known(bytes: &[u8]) -> Option<Opening> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(opening(&request, length)),
        Ok(_) if bytes.len() < MAX_HEAD => None,
        // The HTTP/2 preface of a cleartext client is HTTP too, with its host out of sight.
        _ if bytes.starts_with(b"PRI * HTTP/2.0") => Some(Opening::Http {
            hosts: vec![],
            request: None,
        }),
        // Too long, with no end of its target even.
        Ok(_) if request.method.is_some() => Some(Opening::Broken),
        // A server or a proxy may be content with it.
        _ if begins_like_request(bytes) => Some(Opening::Broken),
        _ => Some(Opening::Other),
    }
}

fn opening(request: &httparse::Request<'_, '_>, length: usize) -> Opening {
    let hosts = hosts(request);
    match Body::of(request.headers) {
        Ok(body) if !is_connect(request) => Opening::Http {
            hosts,
            request: Some(Request { head: length, body }),
        },
        Ok(Body::Sized(0)) => Opening::Connect { hosts, length },
        // What follows is its body to some, and the tunnel or another request to others.
        _ => Opening::Broken,
    }
}

fn is_connect(request: &httparse::Request<'_, '_>) -> bool {
    request
        .method
        .is_some_and(|method| method.eq_ignore_ascii_case(CONNECT))
}

/// Whether the first line is one of a request, if not a good one: CONNECT and anything, or `METHOD target HTTP/…`.
fn begins_like_request(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next();
    let mut words = line
        .unwrap_or_default()
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(method) = words.next() else {
        return false;
    };
    let is_http = |word: &[u8]| {
        word.split_at_checked(5)
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case(b"HTTP/"))
    };
    method.eq_ignore_ascii_case(CONNECT.as_bytes())
        || method.iter().all(u8::is_ascii_alphabetic) && words.nth(1).is_some_and(is_http)
}

fn hosts(request: &httparse::Request<'_, '_>) -> Vec<String> {
    let target = request.path.unwrap_or_default();
    // RFC 9112 §3.2; a path may have a whole URL in it.
    let authority = match target.split_once("://") {
        _ if is_connect(request) => Some(target),
        Some((scheme, rest)) if !scheme.starts_with('/') => rest.split(['/', '?', '#']).next(),
        _ => None,
    };
    let headers = request.headers.iter();
    let named = headers
        .filter(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| String::from_utf8_lossy(header.value));
    let all = authority.map(Cow::from).into_iter().chain(named);
    all.map(|authority| host(&authority)).collect()
}

/// The host of an authority, without user and port.
fn host(authority: &str) -> String {
    let host = authority.trim();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let end = match host.starts_with('[') {
        true => ']',
        false => ':',
    };
    let name = host.split(end).next().unwrap_or_default();
    name.trim_start_matches('[').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(hosts: &[&str], request: Option<Request>) -> Option<Opening> {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Some(Opening::Http { hosts, request })
    }

    #[test]
    fn plain_http_names_its_host() {
        for (head, hosts) in [
            (
                "GET / HTTP/1.1\r\nHost: API.openai.com:80",
                &["api.openai.com"][..],
            ),
            ("GET / HTTP/1.1\r\nX: y", &[]),
            (
                "GET http://api.openai.com/v1 HTTP/1.1\r\nHost: other",
                &["api.openai.com", "other"],
            ),
            ("POST http://api.openai.com?x HTTP/1.1", &["api.openai.com"]),
            (
                "POST http://u@api.openai.com:80#x HTTP/1.1",
                &["api.openai.com"],
            ),
            (
                "POST /v1/x?u=http://a.example/ HTTP/1.1\r\nHost: api.openai.com",
                &["api.openai.com"],
            ),
            (
                "GET /web/https://api.openai.com/ HTTP/1.1\r\nHost: web.archive.org",
                &["web.archive.org"],
            ),
            (
                "GET / HTTP/1.1\r\nHost: a.example\r\nHOST: [2001:DB8::11]:80",
                &["a.example", "2001:db8::11"],
            ),
        ] {
            for (field, body) in [
                ("", Body::Sized(0)),
                ("Content-Length: 7\r\n", Body::Sized(7)),
                ("Transfer-Encoding: chunked\r\n", Body::Chunked),
            ] {
                let said = format!("{head}\r\n{field}\r\nand more");
                let head = said.len() - 8;
                let request = Some(Request { head, body });
                assert_eq!(known(said.as_bytes()), http(hosts, request), "{said}");
            }
        }
        assert_eq!(known(b"GET / HTTP/1.1\r\nHo"), None);
        assert_eq!(known(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http(&[], None));
    }

    #[test]
    fn a_tunnel_begins_behind_its_request() {
        let connect = |hosts: &[&str], length| {
            let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
            Some(Opening::Connect { hosts, length })
        };
        for (request, hosts) in [
            (
                "CONNECT Api.openai.com:443 HTTP/1.1\r\n\r\n",
                &["api.openai.com"][..],
            ),
            (
                "connect api.openai.com HTTP/1.1\r\n\r\n",
                &["api.openai.com"],
            ),
            (
                "CONNECT 198.51.100.11:443 HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
                &["198.51.100.11"],
            ),
            (
                "CONNECT [2001:DB8::11]:443 HTTP/1.1\nHost: other\n\n",
                &["2001:db8::11", "other"],
            ),
        ] {
            let said = format!("{request}and more");
            assert_eq!(known(said.as_bytes()), connect(hosts, request.len()));
        }
    }

    #[test]
    fn a_request_that_others_may_read_otherwise_is_broken() {
        let long = format!("GET /{}", "x".repeat(MAX_HEAD));
        let endless = format!("CONNECT a:443 HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        let many = format!("CONNECT a:443 HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(257));
        let fields = many.replace("CONNECT a:443", "POST /v1");
        for request in [
            "CONNECT a:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\nSSH-",
            "CONNECT a:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT  a:443 HTTP/1.1\r\n\r\n",
            "\r\nConnect a:443\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost : a\r\n\r\n",
            "POST /v1 HTTP/1.9\r\nHost: a\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &long,
            &endless,
            &many,
            &fields,
        ] {
            assert_eq!(
                known(request.as_bytes()),
                Some(Opening::Broken),
                "{request:.40}"
            );
        }
    }

    #[test]
    fn other_protocols_are_not_guessed() {
        let digits = "0".repeat(MAX_HEAD);
        for said in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "CONNECTED\r\n\x01",
            "EHLO mail.example\r\n",
            "OPTIONS rtsp://198.51.100.50/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "198.51.100.7 - - \"GET / HTTP/1.1\" 200\n",
            "\x0c\0\0HTTP/",
            &digits,
        ] {
            assert_eq!(known(said.as_bytes()), Some(Opening::Other), "{said:.40}");
        }
    }
}
