//! The first bytes of a connection: enough of them to decide, none of them lost.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::tls::client_hello::{self, ClientHello, Sniff};

/// Bytes of a plain-HTTP head that are read to find its host.
const MAX_HEAD: usize = 16 * 1024;

const CONNECT: &str = "CONNECT";

/// How a connection opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A whole ClientHello.
    Tls(ClientHello),
    /// A plain HTTP/1 request for this host, if it names one.
    Http {
        /// `Host`, or the authority of the request target; without the port.
        host: Option<String>,
    },
    /// A request that a proxy make a connection: what follows it is as good as a connection of its own.
    Connect {
        /// The host that it is to lead to, as in [`Opening::Http`].
        host: Option<String>,
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
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(opening(&request, length)),
        Ok(_) if bytes.len() < MAX_HEAD => None,
        // The HTTP/2 preface of a cleartext client is HTTP too, with its host out of sight.
        _ if bytes.starts_with(b"PRI * HTTP/2.0") => Some(Opening::Http { host: None }),
        // A proxy may be content with it.
        _ if begins_with_connect(bytes) => Some(Opening::Broken),
        _ => Some(Opening::Other),
    }
}

fn opening(request: &httparse::Request<'_, '_>, length: usize) -> Opening {
    let host = host(request);
    if !is_connect(request) {
        return Opening::Http { host };
    }
    // What follows is its body to some, and the tunnel to others.
    let has_body = |header: &httparse::Header<'_>| {
        header.name.eq_ignore_ascii_case("transfer-encoding")
            || header.name.eq_ignore_ascii_case("content-length")
                && header.value.trim_ascii() != b"0"
    };
    match request.headers.iter().any(has_body) {
        true => Opening::Broken,
        false => Opening::Connect { host, length },
    }
}

fn is_connect(request: &httparse::Request<'_, '_>) -> bool {
    request
        .method
        .is_some_and(|method| method.eq_ignore_ascii_case(CONNECT))
}

fn begins_with_connect(bytes: &[u8]) -> bool {
    let line = bytes.trim_ascii_start();
    line.split_at_checked(CONNECT.len())
        .is_some_and(|(method, rest)| {
            method.eq_ignore_ascii_case(CONNECT.as_bytes())
                && rest.first().is_some_and(u8::is_ascii_whitespace)
        })
}

fn host(request: &httparse::Request<'_, '_>) -> Option<String> {
    let target = request.path.unwrap_or_default();
    let authority = match target.split_once("://") {
        Some((_, rest)) => rest.split('/').next(),
        None if is_connect(request) => Some(target),
        None => None,
    };
    let named = || {
        let header = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("host"))?;
        std::str::from_utf8(header.value).ok()
    };
    let host = authority.or_else(named)?.trim();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    };
    name.map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(host: &str) -> Option<Opening> {
        Some(Opening::Http {
            host: Some(host.to_owned()),
        })
    }

    #[test]
    fn plain_http_names_its_host() {
        assert_eq!(
            known(b"GET / HTTP/1.1\r\nHost: API.openai.com:80\r\n\r\n"),
            http("api.openai.com")
        );
        assert_eq!(
            known(b"GET http://api.openai.com/v1 HTTP/1.1\r\nHost: other\r\n\r\n"),
            http("api.openai.com")
        );
        assert_eq!(known(b"GET / HTTP/1.1\r\nHo"), None);
        assert_eq!(
            known(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Some(Opening::Http { host: None })
        );
    }

    #[test]
    fn a_tunnel_begins_behind_its_request() {
        let connect = |host: &str, length| {
            let host = Some(host.to_owned());
            Some(Opening::Connect { host, length })
        };
        for (request, host) in [
            (
                "CONNECT Api.openai.com:443 HTTP/1.1\r\n\r\n",
                "api.openai.com",
            ),
            ("connect api.openai.com HTTP/1.1\r\n\r\n", "api.openai.com"),
            (
                "CONNECT 198.51.100.11:443 HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
                "198.51.100.11",
            ),
            (
                "CONNECT [2001:DB8::11]:443 HTTP/1.1\nHost: other\n\n",
                "2001:db8::11",
            ),
        ] {
            let said = format!("{request}and more");
            assert_eq!(known(said.as_bytes()), connect(host, request.len()));
        }
    }

    #[test]
    fn a_request_for_a_tunnel_that_others_may_read_otherwise_is_broken() {
        let endless = format!("CONNECT a:443 HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        let many = format!("CONNECT a:443 HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(129));
        for request in [
            "CONNECT a:443 HTTP/1.1\r\nContent-Length: 4\r\n\r\nSSH-",
            "CONNECT a:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "CONNECT  a:443 HTTP/1.1\r\n\r\n",
            "\r\nConnect a:443\r\n\r\n",
            &endless,
            &many,
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
        for said in ["SSH-2.0-OpenSSH_9.2\r\n", "CONNECTED\r\n\x01"] {
            assert_eq!(known(said.as_bytes()), Some(Opening::Other));
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
