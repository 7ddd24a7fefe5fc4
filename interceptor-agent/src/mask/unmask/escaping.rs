//! Reading and writing text at an escaping depth, without decoding what stays as it is.

use std::borrow::Cow;
use std::fmt::Write;

/// How many JSON strings a text is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Escaping {
    /// Plain text.
    None,
    /// The inside of a JSON string.
    Json,
    /// JSON inside a JSON string: a piece of tool-call arguments.
    JsonInJson,
}

/// Stands for every character that is not ASCII: no token has one.
const OTHER: u8 = 0x80;

impl Escaping {
    /// The first character of `raw`, as far as tokens care, and its raw length. `None` when `raw` ends
    /// before the character does.
    #[inline]
    pub(super) fn read(self, raw: &[u8]) -> Option<(u8, usize)> {
        let &first = raw.first()?;
        if first != b'\\' {
            return Some((first, 1));
        }
        match self {
            Self::None => Some((first, 1)),
            Self::Json => escape(raw, 1, |raw| Self::None.read(raw)),
            Self::JsonInJson => match Self::Json.read(raw)? {
                (b'\\', length) => escape(raw, length, |raw| Self::Json.read(raw)),
                whole => Some(whole),
            },
        }
    }

    /// `text` as it must stand at this depth.
    pub(super) fn write(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(text),
            Self::Json => quoted(Cow::Borrowed(text)),
            Self::JsonInJson => quoted(quoted(Cow::Borrowed(text))),
        }
    }
}

/// The escape that a backslash of `length` bytes opens; `read` reads the characters that it is made of.
/// What is no escape is the backslash itself: models do write `\_` in arguments that should be JSON.
fn escape(
    raw: &[u8],
    length: usize,
    read: impl Fn(&[u8]) -> Option<(u8, usize)>,
) -> Option<(u8, usize)> {
    let backslash = Some((b'\\', length));
    let (kind, more) = read(&raw[length..])?;
    let mut end = length + more;
    let byte = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => {
            let mut code = 0;
            for _ in 0..4 {
                let (digit, more) = read(&raw[end..])?;
                let Some(digit) = char::from(digit).to_digit(16) else {
                    return backslash;
                };
                code = code << 4 | digit;
                end += more;
            }
            u8::try_from(code).unwrap_or(OTHER).min(OTHER)
        }
        _ => return backslash,
    };
    Some((byte, end))
}

/// `text` for the inside of a JSON string; borrowed when nothing needs an escape.
fn quoted(text: Cow<'_, str>) -> Cow<'_, str> {
    let needs_escape = |c: char| c < ' ' || c == '"' || c == '\\';
    if !text.contains(needs_escape) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / 16 + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(escaping: Escaping, raw: &str) -> Vec<u8> {
        let mut raw = raw.as_bytes();
        let mut text = Vec::new();
        while let Some((byte, length)) = escaping.read(raw) {
            text.push(byte);
            raw = &raw[length..];
        }
        text
    }

    #[test]
    fn reads_through_every_depth() {
        assert_eq!(read_all(Escaping::None, r"\n\u0041"), br"\n\u0041");
        assert_eq!(
            read_all(Escaping::Json, r#"\"\\\/\n\u0041\_"#),
            b"\"\\/\nA\\_"
        );
        assert_eq!(read_all(Escaping::Json, r"\u00e9\ud83d"), [OTHER, OTHER]);
        assert_eq!(
            read_all(Escaping::JsonInJson, r#"\"\\\"\\n\\u0041\u005cu0042\n\\\\"#),
            b"\"\"\nAB\n\\"
        );
    }

    #[test]
    fn an_escape_that_is_cut_is_not_read() {
        for cut in 1..6 {
            assert_eq!(Escaping::Json.read(&br"\u0041"[..cut]), None, "{cut}");
        }
        for cut in 1..7 {
            assert_eq!(
                Escaping::JsonInJson.read(&br"\\u0041"[..cut]),
                None,
                "{cut}"
            );
        }
        assert_eq!(Escaping::JsonInJson.read(br"\\u00zz"), Some((b'\\', 2)));
    }

    #[test]
    fn writes_what_a_json_parser_reads() {
        let text: String = ('\0'..='\u{ff}')
            .chain("\u{2028}\u{1f600}".chars())
            .collect();
        let parse = |raw: &str| serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap();
        assert_eq!(Escaping::None.write(&text), text);
        assert_eq!(parse(&Escaping::Json.write(&text)), text);
        assert_eq!(parse(&parse(&Escaping::JsonInJson.write(&text))), text);
        assert!(matches!(
            Escaping::JsonInJson.write("plain é"),
            Cow::Borrowed(_)
        ));
    }
}
