//! What a name is given: `name = value` as programs, shells, YAML, JSON (also inside a string), XML, headers and command
//! lines write it.

use std::ops::Range;

/// A name and its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Assigned {
    pub name: Range<usize>,
    pub value: Range<usize>,
    pub quoted: bool,
    /// Whether it only stands behind the name in a list, as the next argument of a call.
    pub listed: bool,
}

const LONGEST_NAME: usize = 64;
const LONGEST_GAP: usize = 32;
const LONGEST_VALUE: usize = 4096;

/// The value given to the name of which `part` is a part.
pub fn assigned(text: &[u8], part: Range<usize>) -> Option<Assigned> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let before = text[..part.start].iter().rev().take(LONGEST_NAME);
    let start = part.start - before.take_while(|byte| in_name(byte)).count();
    let mut cursor = Cursor { text, at: part.end };
    cursor.skip(LONGEST_NAME, in_name);
    let name = start..cursor.at;
    cursor.operator(text[start..].starts_with(b"-"))?;
    let listed = text[..cursor.at].trim_ascii_end().ends_with(b",");
    let (value, quoted) = cursor.value()?;
    Some(Assigned {
        name,
        value,
        quoted,
        listed,
    })
}

/// Whether a part of a name may start here: no letter stands before, or a small one before a capital.
pub fn starts_part(text: &[u8], at: usize) -> bool {
    match &text[..at] {
        [.., before] if before.is_ascii_alphabetic() => {
            before.is_ascii_lowercase() && text[at].is_ascii_uppercase()
        }
        _ => true,
    }
}

/// Whether the last letter before `end` is the first of another part: `sumO` of `sumObject`.
pub fn starts_part_at_end(text: &[u8], end: usize) -> bool {
    let is_small = |at: usize| text.get(at).is_some_and(u8::is_ascii_lowercase);
    end >= 2 && is_small(end - 2) && text[end - 1].is_ascii_uppercase() && is_small(end)
}

#[derive(Clone, Copy)]
struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    fn next_is(&self, bytes: &[u8]) -> bool {
        self.rest().first().is_some_and(|next| bytes.contains(next))
    }

    fn skip(&mut self, limit: usize, of: impl Fn(&u8) -> bool) -> usize {
        let length = self.rest().iter().take(limit).take_while(|b| of(b)).count();
        self.at += length;
        length
    }

    fn skip_blanks(&mut self) -> usize {
        self.skip(LONGEST_GAP, |byte| b" \t".contains(byte))
    }

    fn skip_word(&mut self, words: &[&str]) -> bool {
        let rest = self.rest();
        let word = words.iter().find(|word| {
            rest.len() > word.len()
                && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
                && !rest[word.len()].is_ascii_alphanumeric()
        });
        self.at += word.map_or(0, |word| word.len());
        word.is_some()
    }

    /// Steps over what stands between a name and its value, if that gives it one.
    fn operator(&mut self, is_option: bool) -> Option<()> {
        let closed = self.skip(4, |byte| b"\\\"'`".contains(byte)) > 0;
        if self.next_is(b"[") {
            self.at += 1;
            self.skip(8, u8::is_ascii_digit);
        }
        self.skip(2, |byte| b"])*".contains(byte));
        // `name: TOKEN, value: x` and `key="token" value="x"`.
        let mut aside = *self;
        aside.skip(LONGEST_GAP, |byte| b", \t\r\n\"'\\-".contains(byte));
        if aside.at > self.at && aside.skip_word(&["value"]) {
            *self = aside;
            self.skip(2, |byte| b"\\\"'".contains(byte));
        }
        let apart = self.skip_blanks() > 0;
        if apart && self.skip_word(&["string", "str", "is", "was"]) {
            self.skip_blanks();
            self.skip(3, |byte| b":=".contains(byte));
            self.skip_blanks();
            return Some(());
        }
        let operator = self.at;
        self.skip(5, |byte| b":=>|?.+!~".contains(byte));
        let operator = &self.text[operator..self.at];
        let gives = operator.iter().any(|byte| b":=>|".contains(byte));
        if operator.is_empty() && closed && self.next_is(b",") {
            self.at += 1;
        } else if !(gives || operator.is_empty() && apart && is_option) {
            return None;
        }
        let element = operator == b">";
        self.skip(LONGEST_GAP, |byte| {
            b" \t".contains(byte) || element && b"\r\n".contains(byte)
        });
        Some(())
    }

    /// The value from here on, and whether it is in quotes.
    fn value(&mut self) -> Option<(Range<usize>, bool)> {
        if self.rest().starts_with(b"{{") || self.rest().starts_with(b"${") {
            return None;
        }
        self.skip(3, |byte| b"@([{&".contains(byte));
        self.skip_blanks();
        if let [
            b'b' | b'B' | b'r' | b'R' | b'f' | b'F' | b'u' | b'L',
            b'"' | b'\'',
            ..,
        ] = self.rest()
        {
            self.at += 1;
        }
        let escapes = self.skip(4, |&byte| byte == b'\\');
        let quote = self.rest().first().copied();
        let quote = quote.filter(|quote| b"\"'`".contains(quote));
        if let Some(quote) = quote {
            self.skip(3, |&byte| byte == quote);
        } else if escapes > 0 {
            return None;
        }
        if self.skip_word(&["bearer", "basic", "token", "apikey", "digest", "key"]) {
            self.skip_blanks();
        }
        let start = self.at;
        match quote {
            Some(quote) => {
                loop {
                    self.skip(LONGEST_VALUE, |byte| {
                        *byte != quote && !b"\\\r\n".contains(byte)
                    });
                    // An escaped quote is that of a string inside one; other escapes are the value's.
                    let mut aside = *self;
                    let escapes = aside.skip(4, |&byte| byte == b'\\');
                    let is_long = self.at - start >= LONGEST_VALUE;
                    let ends = escapes == 0 || aside.next_is(b"\"'`nr\r\n");
                    if ends || is_long || self.at == start {
                        break;
                    }
                    *self = aside;
                }
                (self.next_is(&[quote]) || self.next_is(b"\\")).then_some((start..self.at, true))
            }
            None => {
                loop {
                    self.skip(LONGEST_VALUE, |byte| {
                        byte.is_ascii_alphanumeric() || b"_.=+/~%@!#$^*:|-".contains(byte)
                    });
                    // An ampersand is one of the value's, unless the next parameter follows.
                    if !self.next_is(b"&") || is_parameter(&self.rest()[1..]) {
                        break;
                    }
                    self.at += 1;
                }
                let called = self.next_is(b"([{");
                while self.at > start && b".,:;|".contains(&self.text[self.at - 1]) {
                    self.at -= 1;
                }
                (!called).then_some((start..self.at, false))
            }
        }
    }
}

/// Whether a text starts as `name=` does.
fn is_parameter(text: &[u8]) -> bool {
    let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.-%".contains(byte);
    let name = text.iter().take(LONGEST_NAME).take_while(in_name).count();
    text.get(name) == Some(&b'=')
}

/// Last words of names whose values are about a secret, not one.
const ABOUT: &[&str] = &[
    "id",
    "ids",
    "name",
    "names",
    "url",
    "uri",
    "path",
    "file",
    "dir",
    "type",
    "kind",
    "length",
    "size",
    "count",
    "expires",
    "expiry",
    "version",
    "limit",
    "index",
    "ttl",
    "format",
    "algorithm",
    "method",
    "class",
    "field",
    "label",
    "regex",
    "pattern",
    "prefix",
    "suffix",
    "header",
    "endpoint",
    "host",
    "arn",
    "date",
    "time",
    "timestamp",
    "source",
    "dummy",
    "example",
    "fingerprint",
    "checksum",
    "policy",
    "ref",
];

/// Whether a name that has a word for a secret in it means something else: `token_type`, `passwordFile`.
pub fn is_about(name: &[u8]) -> bool {
    let last = name
        .iter()
        .rposition(|byte| !byte.is_ascii_alphabetic())
        .map_or(0, |at| at + 1);
    let word = &name[last..];
    ABOUT.iter().any(|about| {
        let Some(head) = word.len().checked_sub(about.len()) else {
            return false;
        };
        let camel =
            head > 0 && word[head].is_ascii_uppercase() && !word[head - 1].is_ascii_uppercase();
        (head == 0 || camel) && word[head..].eq_ignore_ascii_case(about.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<(&str, bool)> {
        let at = text.to_ascii_lowercase().find("token").expect("a name");
        let found = assigned(text.as_bytes(), at..at + 5)?;
        Some((&text[found.value], found.quoted))
    }

    #[test]
    fn values_are_found_in_every_form() {
        for text in [
            "token = v1",
            "TOKEN=v1",
            "my_token: v1",
            "token ?= v1",
            "token :::= v1",
            "<myToken>\n    v1\n</myToken>",
            "curl --token v1",
            "char token[16] = v1",
            "Authorization-Token: Bearer v1",
            "the token is v1.",
            "?token=v1&x=2",
            "| token | v1 |",
        ] {
            assert_eq!(value(text), Some(("v1", false)), "{text}");
        }
        for text in [
            "'token' => 'v1'",
            r#"{"token": "v1"}"#,
            r#"{\"token\": \"v1\"}"#,
            r#"set("TOKEN", "v1")"#,
            r#"os.environ["TOKEN"] = "v1""#,
            "var token string = \"v1\"",
            "token = b'v1'",
            "token = @\"v1\";",
            "- name: TOKEN\n  value: \"v1\"",
            "<add key=\"Token\" value=\"v1\" />",
            "$token .= \"v1\"",
            "if token != \"v1\" {",
        ] {
            assert_eq!(value(text), Some(("v1", true)), "{text}");
        }
        for text in [
            "token v1",
            "token",
            "the token. It is",
            "token = f(x)",
            "token, other",
            "token = \"v1",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn names_about_secrets() {
        for name in [
            "token_type",
            "tokenUrl",
            "password-file",
            "SECRET_ARN",
            "credentialsId",
        ] {
            assert!(is_about(name.as_bytes()), "{name}");
        }
        for name in [
            "token",
            "apiToken",
            "TOKEN_2",
            "password",
            "valid",
            "client_secret",
        ] {
            assert!(!is_about(name.as_bytes()), "{name}");
        }
    }
}
