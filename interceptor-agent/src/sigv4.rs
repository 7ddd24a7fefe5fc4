//! AWS Signature Version 4: a request that its client signed, and that masking changed, is signed again (AWS IAM User
//! Guide, "AWS Signature Version 4 for API requests").

mod credentials;

use std::fmt::Write as _;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HOST},
    request::Parts,
};

pub use credentials::{Credentials, CredentialsError};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const CONTENT: &str = "x-amz-content-sha256";

/// What a client's signature says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Region, service, and the headers that are signed.
    Header {
        /// As in `us-east-1`.
        region: String,
        /// As in `bedrock`.
        service: String,
        /// In lower case.
        headers: Vec<String>,
    },
    /// One that can't be made again: in the query, of another kind, or not well-formed.
    Other,
}

impl Signature {
    /// The signature of a request; `None`: it has none, as with a bearer token.
    pub fn of(parts: &Parts) -> Option<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let in_query = query
            .split('&')
            .any(|pair| pair.to_ascii_lowercase().starts_with("x-amz-signature"));
        let mut given = parts.headers.get_all(AUTHORIZATION).iter();
        let signed = |value: &HeaderValue| value.as_bytes().starts_with(b"AWS4-");
        match (given.next(), given.next()) {
            _ if in_query => Some(Self::Other),
            (Some(value), None) if signed(value) => {
                Some(value.to_str().ok().and_then(parse).unwrap_or(Self::Other))
            }
            (first, second) => [first, second]
                .into_iter()
                .flatten()
                .any(signed)
                .then_some(Self::Other),
        }
    }
}

/// `AWS4-HMAC-SHA256 Credential=ID/20150830/us-east-1/iam/aws4_request, SignedHeaders=a;b, Signature=…`
fn parse(value: &str) -> Option<Signature> {
    let fields = value.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
    let field = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let scope: Vec<_> = field("Credential")?.split('/').collect();
    let [_, _, region, service, "aws4_request"] = scope[..] else {
        return None;
    };
    let is_name = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !text.is_empty() && text.bytes().all(plain)
    };
    let headers = field("SignedHeaders")?.split(';').map(str::to_owned);
    [region, service]
        .iter()
        .all(is_name)
        .then(|| Signature::Header {
            region: region.to_owned(),
            service: service.to_owned(),
            headers: headers.collect(),
        })
}

/// Signs a request for `service` in `region`: the headers of `signed` that it has, and those that have to be. `now` is
/// as in `20150830T123600Z`.
pub fn sign(
    parts: &mut Parts,
    body: &[u8],
    signature: &Signature,
    credentials: &Credentials,
    now: &str,
) -> bool {
    let Signature::Header {
        region,
        service,
        headers: signed,
    } = signature
    else {
        return false;
    };
    let payload = hex(digest(&SHA256, body).as_ref());
    let headers = &mut parts.headers;
    let mut set = |name: &'static str, value: &str| match HeaderValue::try_from(value) {
        Ok(value) => _ = headers.insert(name, value),
        // Credentials were checked when they were read, and the rest is made here.
        Err(_) => headers.remove(name).map_or((), drop),
    };
    set(DATE, now);
    match &credentials.session_token {
        Some(token) => set(TOKEN, token),
        None => _ = headers.remove(TOKEN),
    }
    if headers.contains_key(CONTENT)
        && let Ok(value) = HeaderValue::try_from(&payload)
    {
        headers.insert(CONTENT, value);
    }
    let mut names: Vec<&str> = signed.iter().map(String::as_str).collect();
    names.extend(["host", DATE, TOKEN, CONTENT]);
    names.sort_unstable();
    names.dedup();
    names.retain(|name| *name == "host" || headers.contains_key(*name));
    names.retain(|name| *name != AUTHORIZATION.as_str());

    let mut canonical = format!(
        "{}\n{}\n{}\n",
        parts.method,
        path(parts.uri.path()),
        query(parts.uri.query())
    );
    for name in &names {
        let value = match *name {
            "host" => host(parts),
            name => joined(&parts.headers, name),
        };
        // Writing to a String can't fail.
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let names = names.join(";");
    let _ = write!(canonical, "\n{names}\n{payload}");

    let day = now.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let canonical = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("{ALGORITHM}\n{now}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, to_sign.as_bytes()));
    let said = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    );
    let Ok(said) = HeaderValue::try_from(said) else {
        return false;
    };
    parts.headers.insert(AUTHORIZATION, said);
    true
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Coded once more than it is on the wire, but for S3.
fn path(path: &str) -> String {
    let segments = path.split('/').map(|segment| encoded(segment.as_bytes()));
    segments.collect::<Vec<_>>().join("/")
}

fn query(query: Option<&str>) -> String {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &[u8]) -> String {
    let mut coded = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                coded.push(byte.into());
            }
            _ => _ = write!(coded, "%{byte:02X}"),
        }
    }
    coded
}

/// As it is on the wire: in HTTP/2 as `:authority`.
fn host(parts: &Parts) -> String {
    match parts.uri.authority() {
        Some(authority) if !parts.headers.contains_key(HOST) => authority.to_string(),
        _ => joined(&parts.headers, HOST.as_str()),
    }
}

/// A header's values, with each run of spaces as one.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        text.split(' ')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
