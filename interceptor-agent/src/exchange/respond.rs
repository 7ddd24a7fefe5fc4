//! The provider's answer on its way to the client.

use bytes::Bytes;
use http::{Response, StatusCode, header};

use crate::{
    http::{
        answer::{Answer, AnswerError, LookUp},
        coding::Codings,
        head,
    },
    mask::{
        response::{Framing, Unmasker},
        unmask::Tokens,
    },
    protocol::{Endpoint, schema::is_binary_media},
    refusal::{Reason, Refusal},
    upstream::UpstreamBody,
    vault::Tenant,
};

/// The answer with values put back; held whole where it can't stream, so that its length is said and a provider that breaks
/// it off is refused instead. What is held, the whole or an event of a stream, has at most `limit` bytes. With nothing to put
/// back or to look for it passes as it is.
/// What tokens of `others`, earlier exchanges of this tenant, stand for is looked up. A stream that policy ends does so by
/// `farewell`, if there is one.
pub(super) async fn unmasked(
    mut response: Response<UpstreamBody>,
    endpoint: &'static Endpoint,
    tokens: Tokens,
    others: Option<Tenant>,
    limit: usize,
    farewell: impl FnOnce(Framing) -> Option<Bytes>,
) -> Result<Response<Answer>, Refusal> {
    head::strip_hop(response.headers_mut());
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let framing = Framing::of(endpoint, kind.unwrap_or_default());
    let tokens = match kind.is_some_and(is_media) {
        true => tokens.watched(None),
        false => tokens,
    };
    if tokens.is_empty() {
        return Ok(response.map(Answer::Through));
    }
    whole(&response)?;
    let codings = Codings::of(response.headers())
        .map_err(|_| Refusal::new(Reason::BadAnswer, "its content coding is unknown"))?;
    let unmasker = Unmasker::with_limits(endpoint, framing, tokens, limit, limit);
    // The length changes, for parts too; and values can't be put into coded bytes, so the answer leaves uncoded.
    let changes = [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::ACCEPT_RANGES,
    ];
    head::remove(response.headers_mut(), |name| changes.contains(name));
    let (parts, body) = response.into_parts();
    let farewell = farewell(framing);
    let mut answer = Answer::unmasked(body, &codings, unmasker, others.map(look_up), farewell);
    if framing == Framing::Json {
        answer = answer.held().await?;
    }
    Ok(Response::from_parts(parts, answer))
}

/// Refuses a part of something: what stands across its ends can't be seen, and none was asked for.
fn whole<B>(response: &Response<B>) -> Result<(), Refusal> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            Err(Refusal::new(Reason::BadAnswer, "it is a part of a file"))
        }
        _ => Ok(()),
    }
}

fn look_up(tenant: Tenant) -> LookUp {
    Box::new(move |tokens| {
        let tenant = tenant.clone();
        Box::pin(async move { tenant.find(tokens).await.map_err(AnswerError::from) })
    })
}

/// Whether a `content-type` is that of a picture, a recording or the like, in which nothing is looked for.
fn is_media(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let kinds = ["audio/", "image/", "video/"];
    kinds.iter().any(|kind| essence.starts_with(kind)) || is_binary_media(&essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_refused() {
        for (status, reason) in [(200, None), (206, Some(Reason::BadAnswer)), (416, None)] {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(whole(&response).err().map(|refusal| refusal.reason), reason);
        }
    }
}
