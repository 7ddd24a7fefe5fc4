//! Characters that are written in another way, one at a time: `\n`, `\u0041`, `\x41`, `%41`, full-width and mathematical letters,
//! letters of other scripts that look the same, and invisible ones that stand between.

use memchr::memchr2_iter;

use super::{
    Decoded, Rewrite,
    alike::{self, Reading},
};
use crate::json;

/// Reads every encoded character of a text, once: what comes out may be encoded again.
pub fn decode(raw: &str) -> Decoded<'_> {
    let bytes = raw.as_bytes();
    let mut rewrite = Rewrite::new(raw);
    let mut words = Words::new(raw);
    let mut at = 0;
    while let Some(skipped) = bytes[at..]
        .iter()
        .position(|&byte| STOPS[usize::from(byte)])
    {
        at += skipped;
        let (length, read) = match bytes[at] {
            b'\\' | b'%' => match escape(&bytes[at..]) {
                Some((char, length)) => (length, Some(Some(char))),
                None => (1, None),
            },
            _ => {
                let char = char_at(raw, at);
                let read = match alike::read(char) {
                    Reading::Itself => None,
                    Reading::Nothing => Some(None),
                    Reading::Same(ascii) => Some(Some(ascii)),
                    Reading::Alike(ascii) => words.is_meant(at).then_some(Some(ascii)),
                };
                (char.len_utf8(), read)
            }
        };
        if let Some(char) = read {
            rewrite.put(at..at + length, char);
        }
        at += length;
    }
    rewrite.finish()
}

/// Where a text has encoded characters. What is common in ordinary text, such as an accent, a dash or another script, is
/// none by itself: only what touches ASCII can be part of a value.
pub struct Encoded<'t> {
    raw: &'t str,
    escapes: memchr::Memchr2<'t>,
    /// The last one that was seen of each kind, so that no part is walked twice; the text's length where there are no more.
    escape: usize,
    other: usize,
}

impl<'t> Encoded<'t> {
    pub fn new(raw: &'t str) -> Self {
        let mut encoded = Self {
            raw,
            escapes: memchr2_iter(b'\\', b'%', raw.as_bytes()),
            escape: 0,
            other: 0,
        };
        encoded.next_escape();
        encoded.other = encoded.other_from(0);
        encoded
    }

    /// The first one at or behind an offset; offsets only grow from call to call.
    pub fn from(&mut self, at: usize) -> Option<usize> {
        while self.escape < at {
            self.next_escape();
        }
        if self.other < at {
            self.other = self.other_from(at);
        }
        let first = self.escape.min(self.other);
        (first < self.raw.len()).then_some(first)
    }

    fn next_escape(&mut self) {
        let bytes = self.raw.as_bytes();
        let escape = self.escapes.find(|&at| escape(&bytes[at..]).is_some());
        self.escape = escape.unwrap_or(bytes.len());
    }

    fn other_from(&self, mut at: usize) -> usize {
        let bytes = self.raw.as_bytes();
        loop {
            at += ascii_length(&bytes[at..]);
            let others = bytes[at..].iter().take_while(|byte| !byte.is_ascii());
            let Some(skipped) = others.clone().position(|&byte| STOPS[usize::from(byte)]) else {
                at += others.count();
                if at == bytes.len() {
                    return at;
                }
                continue;
            };
            at += skipped;
            if is_telling(self.raw, at) {
                return at;
            }
            at += char_at(self.raw, at).len_utf8();
        }
    }
}

/// Whether a character that is not ASCII says that its line is to be read.
fn is_telling(raw: &str, at: usize) -> bool {
    let bytes = raw.as_bytes();
    let char = char_at(raw, at);
    let beside = [&bytes[..at], &bytes[at + char.len_utf8()..]];
    let near = [beside[0].last(), beside[1].first()];
    let touches = |is: fn(&u8) -> bool| near.into_iter().flatten().any(is);
    // Most text of other scripts is done with here.
    if !touches(u8::is_ascii) && !ALONE.contains(&bytes[at]) {
        return false;
    }
    match alike::read(char) {
        Reading::Itself => false,
        Reading::Nothing => near[0].is_some_and(u8::is_ascii_graphic),
        Reading::Same(ascii) => ascii.is_ascii_alphanumeric() || touches(u8::is_ascii_digit),
        Reading::Alike(_) => {
            let joined = [
                matches!(beside[0], [.., before, b'-' | b'_'] if before.is_ascii_alphanumeric()),
                matches!(beside[1], [b'-' | b'_', behind, ..] if behind.is_ascii_alphanumeric()),
            ];
            touches(u8::is_ascii_alphanumeric) || joined.contains(&true)
        }
    }
}

/// First bytes of letters and digits that read as ASCII whatever stands around them.
const ALONE: [u8; 4] = [0xc2, 0xe2, 0xef, 0xf0];

/// Bytes that an encoded character may begin with.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    stops[b'\\' as usize] = true;
    stops[b'%' as usize] = true;
    let mut index = 0;
    while index < alike::LEADS.len() {
        stops[alike::LEADS[index] as usize] = true;
        index += 1;
    }
    stops
};

/// How many bytes are ASCII, in steps that the processor takes at once.
fn ascii_length(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole = 32 * blocks.iter().take_while(|block| block.is_ascii()).count();
    whole
        + bytes[whole..]
            .iter()
            .take_while(|byte| byte.is_ascii())
            .count()
}

/// The escape that `bytes` begin with: its character and its length.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    match bytes {
        [b'\\', b'x', ..] => of_bytes(bytes, "\\x"),
        [b'\\', ..] => json::escape_at(bytes),
        _ => of_bytes(bytes, "%"),
    }
}

/// A character written as its UTF-8 bytes in hexadecimal, each behind `prefix`.
fn of_bytes(bytes: &[u8], prefix: &str) -> Option<(char, usize)> {
    let length = prefix.len() + 2;
    let byte = |index: usize| {
        let unit = bytes
            .get(index * length..)?
            .strip_prefix(prefix.as_bytes())?;
        let digit = |at: usize| char::from(*unit.get(at)?).to_digit(16);
        u8::try_from(digit(0)? << 4 | digit(1)?).ok()
    };
    let first = byte(0)?;
    let count = match first {
        ..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let mut utf8 = [first; 4];
    for (index, slot) in utf8.iter_mut().enumerate().take(count).skip(1) {
        *slot = byte(index)?;
    }
    let char = str::from_utf8(&utf8[..count]).ok()?.chars().next()?;
    Some((char, count * length))
}

fn char_at(text: &str, at: usize) -> char {
    text[at..]
        .chars()
        .next()
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Which words of a text are meant to be ASCII: those that have some, or look it as a whole. In other words of another script a
/// letter is itself.
struct Words<'t> {
    raw: &'t str,
    /// Up to where the last word was looked at, and what it was.
    end: usize,
    meant: bool,
}

impl<'t> Words<'t> {
    fn new(raw: &'t str) -> Self {
        Self {
            raw,
            end: 0,
            meant: false,
        }
    }

    /// Whether the word that the character at this offset is in is meant to be ASCII; offsets only grow.
    fn is_meant(&mut self, at: usize) -> bool {
        if at >= self.end {
            let (before, rest) = self.raw.split_at(at);
            let mut unseen = before[self.end..].char_indices().rev();
            let other = unseen.find(|&(_, char)| !is_of_word(char));
            let start = other.map_or(self.end, |(at, char)| self.end + at + char.len_utf8());
            let length = rest.find(|char| !is_of_word(char)).unwrap_or(rest.len());
            self.end = at + length;
            let word = &self.raw[start..self.end];
            let has_ascii = word.bytes().any(|byte| byte.is_ascii_alphanumeric());
            self.meant = has_ascii
                || !word
                    .chars()
                    .any(|char| alike::read(char) == Reading::Itself && char.is_alphabetic());
        }
        self.meant
    }
}

/// Whether words, those of keys too, have such a character inside.
fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || "-_.@".contains(char) || alike::read(char) == Reading::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> String {
        decode(raw).text().to_owned()
    }

    /// Where a text has encoded characters.
    fn places(raw: &str) -> Vec<usize> {
        let mut encoded = Encoded::new(raw);
        let mut at = 0;
        std::iter::from_fn(|| {
            let place = encoded.from(at)?;
            at = place + 1;
            Some(place)
        })
        .collect()
    }

    #[test]
    fn escapes_of_every_kind_are_read_once() {
        let raw = r"a\n\u0041\x42%43 %25 \\u0041 %ed%95%9c\xed\x95\x9c";
        assert_eq!(decoded(raw), "a\nABC % \\u0041 한한");
        for raw in ["100%", "%4", "%zz", r"\x4", r"\d", "%ff", "%c3", "\\"] {
            assert_eq!(decoded(raw), raw);
            assert_eq!(places(raw), [0; 0], "{raw}");
        }
    }

    #[test]
    fn what_looks_the_same_reads_the_same() {
        assert_eq!(decoded("ｓｋ－１ 𝟏𝟐 a\u{200b}b\u{ad}c"), "sk-1 12 abc");
        // In a word that has ASCII, or nothing else, a letter of another script is meant to be one.
        assert_eq!(decoded("раsswоrd сосна x"), "password сосна x");
        assert_eq!(
            decoded("1\u{200b}а хохр-1 что-то КЕY"),
            "1a xoxp-1 что-то KEY"
        );
    }

    #[test]
    fn ordinary_text_of_any_script_has_no_encoded_characters() {
        for raw in [
            "Съешь ещё этих мягких французских булок, API и что-то 5-го",
            "다람쥐 헌 쳇바퀴에 타고파 3번",
            "“don’t” – he said… ✔️ 👨‍👩‍👧",
            "いろは、ニホヘト。全角（カッコ）",
            "naïve café",
            "شما می‌خواهید",
        ] {
            assert_eq!(places(raw), [0; 0], "{raw}");
        }
        assert_eq!(places("é a%41 \\n x\u{200b}y ｚ"), [4, 8, 12, 17]);
    }
}
