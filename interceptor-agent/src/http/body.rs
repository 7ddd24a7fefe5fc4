//! A request body, held up to a limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

/// Why a request body could not be held.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit.
    #[error("the request body is longer than {0} bytes")]
    TooLong(usize),
    /// Nothing came for too long.
    #[error("the request body stopped for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The client broke off, or its framing is wrong.
    #[error("the request body broke off")]
    Broken,
}

/// Reads a body of at most `limit` bytes, with at most `patience` between two pieces. A body that comes in one piece
/// is not copied.
pub async fn read(
    body: &mut Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLong(limit));
    }
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Err(_) => return Err(BodyError::Stalled(patience)),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(|_| BodyError::Broken)?,
        };
        // Trailers are not forwarded: nobody masks them.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + joined.len() + data.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.reserve(expected.max(first.len() + data.len()));
                joined.extend_from_slice(&std::mem::take(&mut first));
            }
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

/// Reads what a refused request still sends and forgets it, so that the client comes to read the answer. Gives up on
/// one that sends more than a few maximal requests, or slowly; its connection is then closed.
pub async fn discard(body: &mut Incoming) {
    const MOST: usize = 256 << 20;
    const PATIENCE: Duration = Duration::from_secs(10);
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await
            && read < MOST
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Whoever is too slow is cut off, which is all that is left to tell.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}
