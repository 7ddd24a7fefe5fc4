//! Credentials of no one vendor: private keys, JWT, authorization headers, passwords in URLs.

use std::ops::Range;

use memchr::memmem;

use crate::{
    json,
    mask::detector::{
        check::base64,
        row::{Row, Site},
    },
};

/// Credentials that are known by their form.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &["-----BEGIN "],
        check: private_key,
        confidence: 0.99,
        hits: &[
            "x\n»-----BEGIN RSA PRIVATE KEY-----\nMIIEpQIBAAKCAQEAn6/O8li+\nyxR5MsXFu9PR\n-----END RSA PRIVATE KEY-----«\ny",
            "\"»-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0B\\n-----END PRIVATE KEY-----«\\n\"",
            "»-----BEGIN EC PRIVATE KEY-----\r\nMHcCAQEEIIGpLQHJ0Xx7\r\n-----END EC PRIVATE KEY-----«\r\n",
            "»-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQWGBGSVV4YBDAClvRnxez\n=8xQN\n-----END PGP PRIVATE KEY BLOCK-----«",
            "key»-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFHDBOBgkqhkiG9w0B\n-----END ENCRYPTED PRIVATE KEY-----«glued to words",
            "cut off: »-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA«",
        ],
        misses: &[
            "-----BEGIN CERTIFICATE-----\nMIIEpQIBAAKCAQEAn6/O8li+\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIEpQIBAAKCAQEAn6/O8li+\n-----END PUBLIC KEY-----",
            "if line == '-----BEGIN PRIVATE KEY-----': pass",
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
        ],
        ..Row::new("private_key", "PRIVATE_KEY")
    },
    Row {
        patterns: &["AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"],
        confidence: 0.98,
        hits: &[concat!(
            "»AGE-SECRET-KEY-",
            "1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33«"
        )],
        misses: &["AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1BBBB"],
        ..Row::new("age_identity", "SECRET_AGE")
    },
    // As Stripe began it and many do since: secret, publishable or restricted, then what it is for.
    Row {
        confidence: 0.9,
        ..Row::token(
            "prefixed_key",
            "SECRET",
            &["[spr]k_[a-z]{3,10}_[A-Za-z0-9]{20,128}"],
        )
    },
    Row {
        patterns: &[r"eyJ[\w-]{8,2048}=*\."],
        check: jwt,
        confidence: 0.98,
        hits: &[
            "\"»eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U«\"",
            "no algorithm: »eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3«",
            "two parts: »eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJuYW1lIjoiSm9lIiwKInN0YXR1cyI6ImVtcGxveWVlIgp9«",
        ],
        misses: &[
            "eyJBB.eyJCC.eyJDDDD",
            "eyJuYW1lIjoiSm9lIn0.part.abc",
            "eyJhbGciOiJIUzI1NiJ9",
        ],
        ..Row::new("jwt", "JWT")
    },
    Row {
        patterns: &["ZXlK[A-Za-z0-9+/_-]{36,8192}={0,2}"],
        check: jwt_in_base64,
        confidence: 0.95,
        hits: &[concat!(
            "»ZXlKMGVYQWlPaUpLVjFRaWZRLmV5SnBjM01pT2lKcWIyVWlMQTBLSUNKbGVIQWlPakV6TURBNE1Ua3pPREFzRFFvZ0lt",
            "aDBkSEE2THk5bGVHRnRjR3hsTG1OdmJTOXBjMTl5YjI5MElqcDBjblZsZlEuZEJqZnRKZVo0Q1ZQ«"
        )],
        misses: &["ZXlKIGhhdmUgYSBuaWNlIGRheSBhbmQgc28gb24gYW5kIHNvIG9u"],
        ..Row::new("jwt_in_base64", "JWT")
    },
    Row {
        patterns: &[
            r"(?i)bearer[ :]+([\w.~+/=-]{16,8192})",
            r"(?i)bearer%20([\w.~+/=-]{16,8192})",
        ],
        check: bearer,
        entropy: 3.0,
        confidence: 0.8,
        hits: &[
            "Authorization: Bearer »cfcabd11c7ed9a41b1a3e063c32d5114«\"",
            "bearer »ZmFrZS10b2tlbi1mb3ItdGVz+dA==«",
        ],
        misses: &[
            "Bearer XXXXXXXXXXXXXXXXXXXX1",
            "Bearer $(gcloud auth print-access-token)",
            "bearer authentication/authorization",
        ],
        ..Row::new("bearer_token", "SECRET_BEARER")
    },
    Row {
        patterns: &["(?i)basic +([A-Za-z0-9+/]{6,}=*)"],
        check: basic,
        confidence: 0.9,
        hits: &["Authorization: Basic »QWxhZGRpbjpvcGVuIHNlc2FtZQ==«"],
        misses: &[
            "Basic authentication",
            "basic understanding of",
            "Basic YWJjZGVmZ2hpamts",
        ],
        ..Row::new("basic_auth", "SECRET_BASIC")
    },
    Row {
        patterns: &["://"],
        check: url_password,
        confidence: 0.95,
        hits: &[
            "postgres://app:»s3cr3t!pw«@db.internal:5432/x and redis://:»hunter2«@cache",
            "mongodb+srv://u:»p@ss%2Fword«@cluster0.example.net/?x=y",
            "postgres://app:»aB3/xY?z#9«@db and amqp://app:»$aB3xYz«@mq, http://u:»$abc!def«@h, redis://:»[aB3xYz«@cache",
        ],
        misses: &[
            "https://example.com:8080/a@b http://user@host/ https://url:8000 @something",
            "postgres://user:${PASSWORD}@host ftp://u:<password>@h http://u:{pw}@h http://u:%s@h http://u:$PW@h http://u:***@h",
            "://:@ http://:@host http://user:@host http://u:$PW@h http://u:[password]@h",
            "http://host:8000/a1/@b http://host:port/users/@me http://host/a:b1/c@d http://[::1]:80/a@b",
            "import a\ndef f(x):\n    return 1\ndef g(x):\n    return open('redis://:password@host')\n",
        ],
        ..Row::new("url_password", "URL_PASSWORD")
    },
];

/// The whole block up to its END line; where that is missing, as far as it goes on like one.
fn private_key(site: &Site<'_>) -> Option<Range<usize>> {
    const LONGEST: usize = 64 * 1024;
    const LEAST_BODY: usize = 12;
    let start = site.all.start;
    let rest = site.after(LONGEST);
    let title = memmem::find(&rest[..rest.len().min(64)], b"-----")?;
    memmem::find(&rest[..title], b"PRIVATE KEY")?;
    let body = &rest[title + 5..];
    let until = memmem::find(body, b"-----").unwrap_or(body.len());
    let longest_run = body[..until]
        .split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'/' | b'='))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0);
    if longest_run < LEAST_BODY {
        return None;
    }
    let body_start = site.all.end + title + 5;
    if body[until..].starts_with(b"-----END ") {
        let end = &body[until + 9..];
        let end_title = memmem::find(&end[..end.len().min(64)], b"-----")?;
        return Some(start..body_start + until + 9 + end_title + 5);
    }
    let part = body[..until]
        .iter()
        .take_while(|&&byte| in_body(byte))
        .count();
    let trailing = body[..part]
        .iter()
        .rev()
        .take_while(|byte| !byte.is_ascii_alphanumeric() && **byte != b'=')
        .count();
    Some(start..body_start + part - trailing)
}

fn in_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=\\:,-".contains(&byte)
}

fn jwt(site: &Site<'_>) -> Option<Range<usize>> {
    const LONGEST_HEADER: usize = 2048;
    const LEAST_PAYLOAD: usize = 4;
    let mut buffer = [0; LONGEST_HEADER];
    let header = site.all.start..site.all.end - 1;
    let decoded = base64(site.bytes(header.clone()), &mut buffer)?;
    let followed = site.after(3) == b"eyJ";
    let document = json::parse(decoded).ok()?;
    if !followed && document.root().get("alg").is_none() {
        return None;
    }
    // Payload and signature, or the four further parts of an encrypted token.
    let mut end = header.end;
    for _ in 0..4 {
        let Some((b'.', part)) = site.text[end..].split_first() else {
            break;
        };
        let in_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match part.iter().take_while(in_part).count() {
            0 => break,
            length => end += 1 + length,
        }
    }
    (end > header.end + LEAST_PAYLOAD).then_some(header.start..end)
}

/// A token that was encoded once more, as in the data of Kubernetes secrets.
fn jwt_in_base64(site: &Site<'_>) -> Option<Range<usize>> {
    let mut buffer = [0; 6 * 1024];
    let decoded = base64(site.bytes(site.value.clone()), &mut buffer)?;
    let dot = decoded.iter().position(|&byte| byte == b'.')?;
    let mut header = [0; 2048];
    json::parse(base64(&decoded[..dot], &mut header)?).ok()?;
    (decoded.len() > dot + 8).then(|| site.value.clone())
}

fn bearer(site: &Site<'_>) -> Option<Range<usize>> {
    let mut value = site.value.clone();
    while site.text[..value.end].ends_with(b".") {
        value.end -= 1;
    }
    let token = site.bytes(value.clone());
    let mixed = token.iter().any(u8::is_ascii_digit) && token.iter().any(u8::is_ascii_alphabetic);
    (mixed && token.len() >= 16).then_some(value)
}

/// `user:password` in base64.
fn basic(site: &Site<'_>) -> Option<Range<usize>> {
    let mut buffer = [0; 512];
    let decoded = base64(site.bytes(site.value.clone()), &mut buffer)?;
    let printable = decoded.iter().all(|byte| !byte.is_ascii_control());
    (printable && decoded.contains(&b':') && decoded.len() >= 4).then(|| site.value.clone())
}

fn url_password(site: &Site<'_>) -> Option<Range<usize>> {
    const LONGEST: usize = 512;
    let scheme = site
        .before(1)
        .first()
        .is_some_and(u8::is_ascii_alphanumeric);
    let rest = site.after(LONGEST);
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>\\|".contains(byte);
    let rest = rest.split(is_end).next().unwrap_or_default();
    let path = rest.iter().position(|byte| b"/?#".contains(byte));
    let authority = &rest[..path.unwrap_or(rest.len())];
    let colon = authority.iter().position(|&byte| byte == b':')?;
    let (authority, at) = match authority.iter().rposition(|&byte| byte == b'@') {
        Some(at) => (authority, at),
        None => (rest, end_of_raw_password(rest, colon + 1, authority.len())?),
    };
    let password = authority
        .get(colon + 1..at)
        .filter(|password| !password.is_empty())?;
    let start = site.all.end + colon + 1;
    let named = PASSWORDS.iter().any(|name| password == name.as_bytes())
        && site.around.are_code(site.text, site.all.start);
    (scheme && at + 1 < authority.len() && !named && !is_placeholder(password))
        .then(|| start..start + password.len())
}

/// Where a password ends that should have been escaped, since it has one of `/?#` in it: none that is a port and a path.
fn end_of_raw_password(rest: &[u8], start: usize, path: usize) -> Option<usize> {
    let end = start + memchr::memchr(b'@', &rest[start..])?;
    let is_port = rest[start..path].iter().all(u8::is_ascii_digit);
    (!is_port && is_mixed(&rest[start..end]) && rest[0] != b'[').then_some(end)
}

/// Whether it has digits and letters of both cases.
fn is_mixed(text: &[u8]) -> bool {
    let has = |of: fn(&u8) -> bool| text.iter().any(of);
    has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

/// The word for a password in its place, as in the examples of source code, `redis://:password@host`.
const PASSWORDS: &[&str] = &[
    "password", "passwd", "pass", "PASSWORD", "PASS", "pw", "pwd",
];

fn is_placeholder(password: &[u8]) -> bool {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let variable = |name: &[u8]| {
        matches!(name, [b'{' | b'(' | b'$', ..]) || name.iter().all(in_name) && !is_mixed(name)
    };
    matches!(
        password,
        [b'{' | b'<', ..] | [b'[', .., b']'] | b"%s" | b"..." | [b'%', b'(' | b'{' | b'[', ..]
    ) || matches!(password, [b'$', name @ ..] if variable(name))
        || password
            .iter()
            .all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'))
}
