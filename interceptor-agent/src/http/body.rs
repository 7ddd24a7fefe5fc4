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
    mut body: Incoming,
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
