//! The provider's answer on its way to the client.

use std::sync::Arc;

use http::{Response, header};

use crate::{
    http::{answer::Answer, coding::Codings, head},
    mask::{
        response::{Framing, Unmasker},
        token::TokenMap,
    },
    protocol::Endpoint,
    refusal::{Reason, Refusal},
    upstream::UpstreamBody,
};

/// The answer with values put back. With nothing to put back it passes as it is.
pub(super) fn unmasked(
    mut response: Response<UpstreamBody>,
    endpoint: Option<Endpoint>,
    tokens: Arc<TokenMap>,
) -> Result<Response<Answer>, Refusal> {
    head::strip_hop(response.headers_mut());
    let Some(endpoint) = endpoint.filter(|_| !tokens.is_empty()) else {
        return Ok(response.map(Answer::Through));
    };
    let codings = Codings::of(response.headers())
        .map_err(|_| Refusal::new(Reason::BadAnswer, "its content coding is unknown"))?;
    let unmasker = Unmasker::new(endpoint, framing(&response), tokens);
    // The length changes; and values can't be put into coded bytes, so the answer leaves uncoded.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().remove(header::CONTENT_ENCODING);
    Ok(response.map(|body| Answer::unmasked(body, &codings, unmasker)))
}

fn framing<B>(response: &Response<B>) -> Framing {
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.as_str() {
        "text/event-stream" => Framing::Sse,
        "application/json" => Framing::Json,
        _ if kind.ends_with("+json") => Framing::Json,
        _ => Framing::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_by_content_type() {
        let of = |kind: &str| {
            framing(
                &Response::builder()
                    .header("content-type", kind)
                    .body(())
                    .unwrap(),
            )
        };
        assert_eq!(of("text/event-stream; charset=utf-8"), Framing::Sse);
        assert_eq!(of("Application/JSON"), Framing::Json);
        assert_eq!(of("application/problem+json"), Framing::Json);
        assert_eq!(of("text/html"), Framing::Text);
        assert_eq!(framing(&Response::new(())), Framing::Text);
    }
}
