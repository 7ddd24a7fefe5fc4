//! The escapes of a JSON string, one by one, with where each stands.

use std::ops::Range;

use memchr::memchr;

/// One escape sequence and the character it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// Byte range in the raw text; two sequences for a surrogate pair.
    pub raw: Range<usize>,
    /// The decoded character; U+FFFD for a lone surrogate.
    pub char: char,
}

/// The escapes of a string's raw text, in order. A backslash that begins no escape of JSON is passed over.
pub struct Escapes<'t> {
    raw: &'t str,
    at: usize,
}

impl<'t> Escapes<'t> {
    /// Over the text between a string's quotes.
    pub fn new(raw: &'t str) -> Self {
        Self { raw, at: 0 }
    }
}

impl Iterator for Escapes<'_> {
    type Item = Escape;

    fn next(&mut self) -> Option<Escape> {
        let bytes = self.raw.as_bytes();
        loop {
            let start = self.at + memchr(b'\\', &bytes[self.at..])?;
            bytes.get(start + 1)?;
            if let Some((char, length)) = escape_at(&bytes[start..]) {
                self.at = start + length;
                return Some(Escape {
                    raw: start..self.at,
                    char,
                });
            }
            self.at = start + 1;
        }
    }
}

/// The escape that `bytes`, which start with a backslash, begin with: its character and length in bytes.
pub fn escape_at(bytes: &[u8]) -> Option<(char, usize)> {
    match bytes.get(1)? {
        b'b' => Some(('\u{8}', 2)),
        b'f' => Some(('\u{c}', 2)),
        b'n' => Some(('\n', 2)),
        b'r' => Some(('\r', 2)),
        b't' => Some(('\t', 2)),
        &same @ (b'"' | b'\\' | b'/') => Some((char::from(same), 2)),
        b'u' => unicode(bytes),
        _ => None,
    }
}

/// The text that `raw` stands for.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut from = 0;
    for escape in Escapes::new(raw) {
        text.push_str(&raw[from..escape.raw.start]);
        text.push(escape.char);
        from = escape.raw.end;
    }
    text.push_str(&raw[from..]);
    text
}

/// `\uXXXX` or a surrogate pair at the start of `bytes`: its character and length in bytes.
fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let unit = code_unit(bytes, 0)?;
    let low = code_unit(bytes, 6).filter(|low| (0xDC00..0xE000).contains(low));
    let pair = match (unit, low) {
        (0xD800..0xDC00, Some(low)) => {
            char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        }
        _ => None,
    };
    let alone = || {
        (
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
            6,
        )
    };
    Some(pair.map_or_else(alone, |char| (char, 12)))
}

fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_decodes() {
        assert_eq!(
            unescape(r#"\"\\\/\b\f\n\r\té\u00e9\uD83D\uDE00x"#),
            "\"\\/\u{8}\u{c}\n\r\téé😀x"
        );
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        assert_eq!(
            unescape(r"\ud83dx\ude00\ud83d\u0041\ud83d\ud83d\ude00"),
            "\u{fffd}x\u{fffd}\u{fffd}A\u{fffd}😀"
        );
    }

    #[test]
    fn what_is_no_escape_stays() {
        for raw in [
            "\\", "\\u", "\\u12", "\\u12é", "\\u123é", "\\é", "\\i-0", "\\'",
        ] {
            assert_eq!(unescape(raw), raw);
        }
        assert_eq!(unescape("\\ud83d\\ude0é"), "\u{fffd}\\ude0é");
    }

    #[test]
    fn agrees_with_serde_json() {
        let text: String = ('\0'..='\u{2ff}')
            .chain("\u{2028}\u{ffff}😀".chars())
            .collect();
        let quoted = serde_json::to_string(&text).unwrap();
        assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text);
    }
}
