//! The first bytes of a connection: enough of them to decide, none of them lost.

mod plain;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    http::framing::Body,
    tls::client_hello::{self, ClientHello, Sniff},
};

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
    /// Nothing may come behind it: a line of its head has no CR, and who wants one sees no end of it yet.
    pub is_last: bool,
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
            return Ok(match bytes.as_ref() {
                [] => Opening::Closed,
                // White space alone is no part of anything, and nothing comes behind it.
                said if said.trim_ascii().is_empty() => Opening::Other,
                _ => Opening::Broken,
            });
        }
    }
}

/// What these bytes open; `None`: more of them are needed.
pub fn known(bytes: &[u8]) -> Option<Opening> {
    match client_hello::sniff(bytes) {
        Sniff::NeedMore => None,
        Sniff::Tls(hello) => Some(Opening::Tls(hello)),
        Sniff::Invalid(_) => Some(Opening::Broken),
        Sniff::NotTls => plain::known(bytes),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

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
        for (said, opening) in [("\r\n", Opening::Other), ("\nGET", Opening::Broken)] {
            let (mut ours, mut theirs) = tokio::io::duplex(64);
            theirs.write_all(said.as_bytes()).await.unwrap();
            drop(theirs);
            let read = read(&mut ours, Bytes::new(), Duration::from_secs(5)).await;
            assert_eq!(read.unwrap(), (opening, Bytes::from(said)));
        }
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
