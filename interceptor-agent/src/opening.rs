//! The first bytes of a connection: enough of them to decide, none of them lost.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::tls::client_hello::{self, ClientHello, Sniff};

/// Bytes of a plain-HTTP head that are read to find its host.
const MAX_HEAD: usize = 16 * 1024;

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
        Ok(status) if status.is_complete() => Some(Opening::Http {
            host: host(&request),
        }),
        Ok(_) if bytes.len() < MAX_HEAD => None,
        // The HTTP/2 preface of a cleartext client is HTTP too, with its host out of sight.
        _ if bytes.starts_with(b"PRI * HTTP/2.0") => Some(Opening::Http { host: None }),
        _ => Some(Opening::Other),
    }
}

fn host(request: &httparse::Request<'_, '_>) -> Option<String> {
    let target = request.path.unwrap_or_default();
    let authority = match target.split_once("://") {
        Some((_, rest)) => rest.split('/').next(),
        None if request.method == Some("CONNECT") => Some(target),
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
    Some(
        host.split_once(':')
            .map_or(host, |(host, _)| host)
            .to_ascii_lowercase(),
    )
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
        assert_eq!(
            known(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n"),
            http("api.openai.com")
        );
        assert_eq!(known(b"GET / HTTP/1.1\r\nHo"), None);
        assert_eq!(
            known(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Some(Opening::Http { host: None })
        );
    }

    #[test]
    fn other_protocols_are_not_guessed() {
        assert_eq!(known(b"SSH-2.0-OpenSSH_9.2\r\n"), Some(Opening::Other));
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
