//! The vectors of AWS's test suite, and what of a client's signature is read.

use http::Request;

use super::*;

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        session_token: token.map(str::to_owned),
        ..Credentials::example()
    }
}

/// The signature and the names of what is signed, of a request to the suite's host.
fn signed(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
    token: Option<&str>,
) -> (String, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "example.amazonaws.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let signature = Signature::Header {
        region: "us-east-1".to_owned(),
        service: "service".to_owned(),
        headers: headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect(),
    };
    assert!(sign(
        &mut parts,
        body.as_bytes(),
        &signature,
        &credentials(token),
        "20150830T123600Z"
    ));
    let said = parts.headers[AUTHORIZATION].to_str().unwrap();
    let prefix = concat!(
        "AWS4-HMAC-SHA256 Credential=AKID",
        "EXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
    );
    let (names, signature) = said
        .strip_prefix(prefix)
        .unwrap()
        .split_once(", Signature=")
        .unwrap();
    (names.to_owned(), signature.to_owned())
}

#[test]
fn signatures_are_those_of_the_suite() {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (name, method, target, headers, body, signature) in [
        (
            "get-vanilla",
            "GET",
            "/",
            &[][..],
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            &[],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            &[form],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ] {
        let got = signed(method, target, headers, body, None);
        assert_eq!(got.1, signature, "{name}");
    }
}

#[test]
fn the_token_and_the_contents_hash_are_signed() {
    let old = [
        ("x-amz-content-sha256", "old"),
        ("X-Amz-Security-Token", "theirs"),
        ("gone", "x"),
    ];
    let (names, with) = signed(
        "POST",
        "/model/a%3A0/converse",
        &old[..2],
        "{}",
        Some("ours"),
    );
    assert_eq!(
        names,
        "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
    );
    let (names, without) = signed("POST", "/model/a%3A0/converse", &old, "{}", None);
    assert_eq!(names, "gone;host;x-amz-content-sha256;x-amz-date");
    assert_ne!(with, without);
    assert_eq!(path("/model/a%3A0/converse"), "/model/a%253A0/converse");
}

#[test]
fn a_clients_signature_is_read() {
    let of = |target: &str, values: &[&str]| {
        let mut request = Request::builder().uri(target);
        for value in values {
            request = request.header("authorization", *value);
        }
        Signature::of(&request.body(()).unwrap().into_parts().0)
    };
    let value = "AWS4-HMAC-SHA256 Credential=ID/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";
    let Some(Signature::Header {
        region,
        service,
        headers,
    }) = of("/", &[value])
    else {
        panic!("not read");
    };
    assert_eq!(
        (
            region.as_str(),
            service.as_str(),
            headers.join(" ").as_str()
        ),
        ("eu-west-1", "bedrock", "host x-amz-date")
    );
    assert_eq!(of("/", &[]), None);
    assert_eq!(of("/", &["Bearer x"]), None);
    for (target, values) in [
        ("/?X-Amz-Signature=00", &[][..]),
        (
            "/",
            &[
                "AWS4-ECDSA-P256-SHA256 Credential=ID/20150830/bedrock/aws4_request, SignedHeaders=host, Signature=00",
            ],
        ),
        (
            "/",
            &[
                "AWS4-HMAC-SHA256 Credential=ID/20150830/eu-west-1/Bed rock/aws4_request, SignedHeaders=host, Signature=00",
            ],
        ),
        ("/", &[value, value]),
        ("/", &["Bearer x", value]),
        ("/", &["AWS4-HMAC-SHA256"]),
    ] {
        assert_eq!(of(target, values), Some(Signature::Other), "{values:?}");
    }
}
