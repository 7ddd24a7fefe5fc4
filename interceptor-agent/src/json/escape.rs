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

/// The escapes of a string's raw text, in order. Never panics; what [`super::parse`] would refuse
/// decodes to something, but not to anything in particular.
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
        let start = self.at + memchr(b'\\', &bytes[self.at..])?;
        let (char, length) = match *bytes.get(start + 1)? {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(&bytes[start..]),
            other if other.is_ascii() => (char::from(other), 2),
            _ => (char::REPLACEMENT_CHARACTER, 1),
        };
        self.at = start + length;
        Some(Escape {
            raw: start..self.at,
            char,
        })
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
fn unicode(bytes: &[u8]) -> (char, usize) {
    let high = code_unit(bytes, 0);
    let pair = || {
        let low = code_unit(bytes, 6).filter(|low| (0xDC00..0xE000).contains(low))?;
        char::from_u32(0x10000 + ((high? - 0xD800) << 10) + (low - 0xDC00))
    };
    match high {
        Some(0xD800..0xDC00) => pair().map_or((char::REPLACEMENT_CHARACTER, 6), |char| (char, 12)),
        Some(unit) => (
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
            6,
        ),
        None => (char::REPLACEMENT_CHARACTER, 2),
    }
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
    fn broken_escapes_do_not_panic() {
        for raw in [
            "\\",
            "\\u",
            "\\u12",
            "\\u12é",
            "\\u123é",
            "\\é",
            "\\ud83d\\u",
            "\\ud83d\\ude0é",
        ] {
            assert!(unescape(raw).contains(['\\', '\u{fffd}']), "{raw}");
        }
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
