//! A signature that masking made void: made again with the operator's credentials, or the request is refused.

use http::request::Parts;

use crate::{
    audit,
    refusal::{Reason, Refusal},
    sigv4::{self, Credentials, Signature},
};

/// The only service whose requests are signed again.
const SERVICE: &str = "bedrock";

/// Signs a request that its client signed, and that has changed since.
pub(super) fn again(
    credentials: Option<&Credentials>,
    parts: &mut Parts,
    body: &[u8],
) -> Result<(), Refusal> {
    let Some(signature) = Signature::of(parts) else {
        return Ok(());
    };
    let refused = |detail| Err(Refusal::new(Reason::Signed, detail));
    let Some(credentials) = credentials else {
        return refused("bedrock.credentials_file is not set");
    };
    match &signature {
        Signature::Header { service, .. } if service == SERVICE => {}
        Signature::Header { .. } => return refused("it is not for Bedrock"),
        Signature::Other => {
            return refused("only an Authorization of AWS4-HMAC-SHA256 can be made again");
        }
    }
    match sigv4::sign(parts, body, &signature, credentials, &basic(&audit::now())) {
        true => Ok(()),
        false => Err(Reason::Internal.into()),
    }
}

/// `2015-08-30T12:36:00.000000Z` as `20150830T123600Z`.
fn basic(time: &str) -> String {
    let seconds = time.get(..19).unwrap_or(time);
    seconds.replace(['-', ':'], "") + "Z"
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(authorization: Option<&str>) -> Parts {
        let mut request = Request::post("/model/m/converse").header("host", "h");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        let of = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=ID/20150830/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
            )
        };
        let credentials = Credentials::example();
        for value in [
            of("bedrock"),
            of("s3"),
            "AWS4-ECDSA-P256-SHA256 x".to_owned(),
        ] {
            let refused = again(None, &mut request(Some(&value)), b"").unwrap_err();
            assert_eq!(refused.reason, Reason::Signed);
            let signed = again(Some(&credentials), &mut request(Some(&value)), b"");
            assert_eq!(signed.is_ok(), value == of("bedrock"), "{value}");
        }
        let mut parts = request(Some(&of("bedrock")));
        again(Some(&credentials), &mut parts, b"{}").unwrap();
        let made = parts.headers["authorization"].to_str().unwrap().to_owned();
        assert!(made.contains("/eu-west-1/bedrock/aws4_request") && !made.contains("=00"));
    }

    #[test]
    fn a_token_is_no_signature() {
        for value in [None, Some("Bearer x")] {
            again(None, &mut request(value), b"").unwrap();
        }
    }

    #[test]
    fn times_are_written_without_marks() {
        assert_eq!(basic("2015-08-30T12:36:00.000000Z"), "20150830T123600Z");
        assert_eq!(basic(&audit::now()).len(), 16);
    }
}
