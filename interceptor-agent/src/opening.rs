//! The first bytes of a connection: enough of them to decide, none of them lost.

use std::{borrow::Cow, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    http::framing::Body,
    tls::client_hello::{self, ClientHello, Sniff},
};

/// Bytes and fields of a plain-HTTP head that are read to find its host; servers take less.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 256;

const CONNECT: &str = "CONNECT";

/// How a connection opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A whole ClientHello.
    Tls(ClientHello),
    /// A plain HTTP/1 request.
    Http {
        /// Every host that it names: of its target first, then of `Host`; without ports. Servers differ in which they take.
        hosts: Vec<String>,
        /// Where it ends; none of the preface of HTTP/2.
        request: Option<Request>,
    },
    /// A request that a proxy make a connection: what follows it is as good as a connection of its own.
    Connect {
        /// As in [`Opening::Http`]; the first is whom it is to lead to.
        hosts: Vec<String>,
        /// Bytes of its head, which is all there is of it.
        length: usize,
    },
    /// A protocol that is neither.
    Other,
    /// It starts like TLS or HTTP, and is broken or did not go on in time: nobody knows for which host it was.
    Broken,
    /// Nothing was said in time: a protocol in which the server speaks first.
    Silent,
    /// The client closed before it said anything.
    Closed,
}

/// A request as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of its head.
    pub head: usize,
    /// What follows them.
    pub body: Body,
}

impl Opening {
    /// The name that a ClientHello is for, in lower case; empty where there is none.
    pub fn sni(&self) -> String {
        let name = match self {
            Self::Tls(hello) => hello.sni.as_deref(),
            _ => None,
        };
        name.unwrap_or_default().to_ascii_lowercase()
    }
}

/// Reads until the opening is known, and returns all that was read, with `already` in front of it.
///
/// # Errors
/// The client's socket failed.
pub async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    already: Bytes,
    patience: Duration,
) -> std::io::Result<(Opening, Bytes)> {
    let mut bytes = BytesMut::with_capacity(2048);
    bytes.extend_from_slice(&already);
    let opening = match tokio::time::timeout(patience, until_known(stream, &mut bytes)).await {
        Ok(opening) => opening?,
        Err(_) if bytes.is_empty() => Opening::Silent,
        Err(_) => Opening::Broken,
    };
    Ok((opening, bytes.freeze()))
}

async fn until_known(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut BytesMut,
) -> std::io::Result<Opening> {
    loop {
        if !bytes.is_empty()
            && let Some(opening) = known(bytes)
        {
            return Ok(opening);
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(if bytes.is_empty() {
                Opening::Closed
            } else {
                Opening::Broken
            });
        }
    }
}

/// `None`: more bytes are needed.
fn known(bytes: &[u8]) -> Option<Opening> {
    match client_hello::sniff(bytes) {
        Sniff::NeedMore => None,
        Sniff::Tls(hello) => Some(Opening::Tls(hello)),
        Sniff::Invalid(_) => Some(Opening::Broken),
        Sniff::NotTls => plain(bytes),
    }
}

fn plain(bytes: &[u8]) -> Option<Opening> {
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

    #[tokio::test]
    async fn silence_and_close_are_told_apart() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        assert_eq!(
            read(&mut ours, Bytes::new(), Duration::from_millis(5))
                .await
                .unwrap()
                .0,
            Opening::Silent
        );
        let already = Bytes::from_static(b"SSH-2.0-x\r\n");
        let read_already = read(&mut ours, already.clone(), Duration::from_secs(5));
        assert_eq!(read_already.await.unwrap(), (Opening::Other, already));
        drop(theirs);
        assert_eq!(
            read(&mut ours, Bytes::new(), Duration::from_secs(5))
                .await
                .unwrap()
                .0,
            Opening::Closed
        );
    }
}
