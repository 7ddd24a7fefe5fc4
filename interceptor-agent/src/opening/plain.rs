//! Plain HTTP at the start of a connection: whom a request is for, and where it ends.

use super::{Opening, Request};
use crate::http::{authority, framing::Body};

/// Bytes and fields of a head that are read to find its host; servers take less.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 256;

const CONNECT: &str = "CONNECT";

/// How HTTP/2 begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `None`: more bytes are needed.
pub(super) fn known(bytes: &[u8]) -> Option<Opening> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(opening(&request, &bytes[..length])),
        Ok(_) if bytes.len() < MAX_HEAD => None,
        // The preface of a cleartext client is HTTP too, with its host out of sight.
        _ if bytes.starts_with(PREFACE) => Some(Opening::Http {
            hosts: vec![],
            request: None,
        }),
        _ if PREFACE.starts_with(bytes) => None,
        // Too long, with no end of its target even, or nothing but line ends.
        Ok(_) if request.method.is_some() || bytes.trim_ascii_start().is_empty() => {
            Some(Opening::Broken)
        }
        Ok(_) => Some(Opening::Other),
        Err(_) => match is_request(bytes) {
            None if bytes.len() < MAX_HEAD => None,
            Some(false) => Some(Opening::Other),
            // A server or a proxy may be content with it.
            _ => Some(Opening::Broken),
        },
    }
}

fn opening(request: &httparse::Request<'_, '_>, head: &[u8]) -> Opening {
    let length = head.len();
    let (Some(hosts), Ok(body)) = (hosts(request), Body::of(request)) else {
        // It is for another host to some, or ends elsewhere.
        return Opening::Broken;
    };
    let is_connect = is_connect(request);
    let is_last = has_bare_end(head);
    match body {
        // What comes behind it is more of its head to some.
        _ if is_last && (is_connect || body != Body::Sized(0)) => Opening::Broken,
        Body::Sized(0) if is_connect => Opening::Connect { hosts, length },
        // What follows is its body to some, and the tunnel or another request to others.
        _ if is_connect => Opening::Broken,
        _ => Opening::Http {
            hosts,
            request: Some(Request {
                head: length,
                body,
                is_last,
            }),
        },
    }
}

/// Whether a line of the head ends by LF alone.
fn has_bare_end(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    memchr::memchr_iter(b'\n', head).any(|at| head.get(at.wrapping_sub(1)) != Some(&b'\r'))
}

fn is_connect(request: &httparse::Request<'_, '_>) -> bool {
    request
        .method
        .is_some_and(|method| method.eq_ignore_ascii_case(CONNECT))
}

/// Whether the first line is a request's to readers that take what they should not: any white space around its parts and in its
/// target, no version (HTTP/0.9), and CONNECT with anything. `None` until that can be told.
fn is_request(bytes: &[u8]) -> Option<bool> {
    const VERTICAL_TAB: u8 = 0x0b;
    let is_white = |byte: &u8| byte.is_ascii_whitespace() || *byte == VERTICAL_TAB;
    let start = bytes.iter().position(|byte| !is_white(byte));
    let text = &bytes[start.unwrap_or(bytes.len())..];
    let end = memchr::memchr(b'\n', text);
    let line = &text[..end.unwrap_or(text.len())];
    let is_whole = end.is_some();
    let mut words = line.split(is_white).filter(|word| !word.is_empty());
    let method = words.next().unwrap_or_default();
    if !method.iter().all(|byte| is_of_token(*byte)) {
        return Some(false);
    }
    // The method may go on, or the target begin.
    if !is_whole && method.len() == line.len() {
        return None;
    }
    if method.eq_ignore_ascii_case(CONNECT.as_bytes()) {
        return Some(true);
    }
    let target = words.next().unwrap_or_default();
    if !may_be_target(target) {
        return Some(false);
    }
    if !is_whole {
        return None;
    }
    // Some read it from its start, some from its end.
    let third = words.next();
    let last = words.next_back().or(third);
    Some(match third {
        Some(_) => [third, last].into_iter().flatten().any(is_version),
        None => method.eq_ignore_ascii_case(b"GET") && !target.is_empty(),
    })
}

/// RFC 9110 §5.6.2, of which a method is one.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether it begins as a path, `*` or a URL does, as far as it is there.
fn may_be_target(word: &[u8]) -> bool {
    let mut rest = word.iter().skip_while(|byte| byte.is_ascii_alphanumeric());
    matches!(rest.next(), None | Some(b'/' | b'*' | b':'))
}

fn is_version(word: &[u8]) -> bool {
    word.split_at_checked(5)
        .is_some_and(|(name, _)| name.eq_ignore_ascii_case(b"HTTP/"))
}

/// Every host that it names; `None` where two readers could find different ones.
fn hosts(request: &httparse::Request<'_, '_>) -> Option<Vec<String>> {
    // RFC 9112 §3.2; a path may have a whole URL in it.
    let authority = match request.path? {
        target if is_connect(request) => Some(target),
        target if target.starts_with('/') || target == "*" => None,
        target => {
            let (scheme, rest) = target.split_once("://")?;
            let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            scheme.bytes().all(is_of_scheme).then_some(())?;
            rest.split(['/', '?', '#']).next()
        }
    };
    let headers = request.headers.iter();
    let named = headers
        .filter(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| header.value.trim_ascii())
        .filter(|value| !value.is_empty());
    let authority = authority.map(str::as_bytes);
    let all = authority.into_iter().chain(named);
    all.map(|authority| authority::host(std::str::from_utf8(authority).ok()?))
        .collect()
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
            (
                "GET ws://u:p%40@My_App.example.:8080?x HTTP/1.1\r\nHost: a.example:",
                &["my_app.example", "a.example"],
            ),
            ("GET / HTTP/1.1\r\nHost:\t[fe80::1%25eth0] ", &["fe80::1"]),
            ("OPTIONS * HTTP/1.1\r\nHost: ", &[]),
        ] {
            for (field, body) in [
                ("", Body::Sized(0)),
                ("Content-Length: 7\r\n", Body::Sized(7)),
                ("Transfer-Encoding: chunked\r\n", Body::Chunked),
            ] {
                let said = format!("{head}\r\n{field}\r\nand more");
                let head = said.len() - 8;
                let is_last = false;
                let request = Some(Request {
                    head,
                    body,
                    is_last,
                });
                assert_eq!(known(said.as_bytes()), http(hosts, request), "{said}");
            }
        }
        // Old clients, and people: no body, and nothing behind it.
        for (head, hosts) in [
            ("GET / HTTP/1.0\n\n", &[][..]),
            ("\nGET / HTTP/1.1\nHost: a.example\r\n\r\n", &["a.example"]),
        ] {
            let request = Request {
                head: head.len(),
                body: Body::Sized(0),
                is_last: true,
            };
            assert_eq!(known(head.as_bytes()), http(hosts, Some(request)), "{head}");
        }
        assert_eq!(known(b"GET / HTTP/1.1\r\nHo"), None);
        for end in 1..PREFACE.len() {
            assert_eq!(known(&PREFACE[..end]), None);
        }
        assert_eq!(known(PREFACE), http(&[], None));
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
                "CONNECT [2001:DB8::11]:443 HTTP/1.1\r\nHost: other\r\n\r\n",
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
        let lines = "\n".repeat(MAX_HEAD);
        for request in [
            "CONNECT a:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\nSSH-",
            "CONNECT a:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /v1 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT  a:443 HTTP/1.1\r\n\r\n",
            "\r\nConnect a:443\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost : a\r\n\r\n",
            "POST /v1 HTTP/1.9\r\nHost: a\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            // To some, with white space in the target; with more of it in front; with any method; without a version.
            "GET http://other.example/a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://other.example/a\tb c\x0bHTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
            "X-GET  http://other.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "M!#$%&'*+.^_`|~9  / http/1.1\r\nHost: a\r\n\r\n",
            " \tGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\x0b\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://api.openai.com/?SECRET\r\n",
            "get /?SECRET\n",
            "PRI * HTTP/2.0 http://api.openai.com/ HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\nHost: api.openai.com\r\n\r\n",
            // Who wants CRLF sees no end of its head, or no such field.
            "POST / HTTP/1.1\nHost: a\nContent-Length: 9\n\n",
            "CONNECT a:443 HTTP/1.1\r\nX: y\n\n",
            "POST / HTTP/1.1\r\nX: y\nContent-Length: 9\n\n\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 9\r\nX: y\n\r\n",
            "POST / HTTP/1.1\nTransfer-Encoding: chunked\r\n\r\n",
            // A host that some map to another one, or find elsewhere.
            "POST https://ａｐｉ.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http://api.openai.com\\@other.example/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http://other.example@api.openai.com@other.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http://api.openai.com:80:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http://api%2eopenai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http:/\\api.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http:/api.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST http:///api.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST \\http://api.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST api.openai.com/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: ａｐｉ.openai.com\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a, api.openai.com\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a@api.openai.com/\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: [api.openai.com]\r\n\r\n",
            "CONNECT api%2eopenai.com:443 HTTP/1.1\r\n\r\n",
            "CONNECT :443 HTTP/1.1\r\n\r\n",
            &long,
            &endless,
            &many,
            &fields,
            &lines,
        ] {
            // However much of it is there: what comes first must not be passed before the rest shows what it is.
            let ends = (1..request.len().min(99)).chain([request.len()]);
            for end in ends {
                let known = known(&request.as_bytes()[..end]);
                let is_whole = end == request.len();
                assert!(
                    known == Some(Opening::Broken) || known.is_none() && !is_whole,
                    "{} {known:?}",
                    String::from_utf8_lossy(&request.as_bytes()[..end.min(99)])
                );
            }
        }
    }

    #[test]
    fn other_protocols_are_not_guessed() {
        let digits = "0".repeat(MAX_HEAD);
        for said in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "CONNECTED\r\n\x01",
            "GET\r\n",
            "QUIT now\r\n",
            "GET htt\u{80}p\n",
            "AUTH mine\0",
            "AUTH \x01\x02",
            "a\t\u{80}",
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
