//! Text in base64 (RFC 4648, both alphabets, with or without padding and line breaks) or in hexadecimal digits, anywhere in a
//! text. Only what decodes to text counts: hashes, ids and pictures decode to bytes that are none.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use super::digits::{Digits, next_run};

/// Least bytes of a text that ends where its digits do.
const LEAST_TEXT: usize = 8;
/// Least bytes of a text in the midst of others that are none.
const LEAST_INNER_TEXT: usize = 12;

/// Calls `see` with each place that decodes to text, and that text. No two places overlap.
pub fn each(text: &[u8], mut see: impl FnMut(Range<usize>, String)) {
    let mut at = 0;
    while let Some(run) = next_run(text, at) {
        let digits = Digits::new(text, run);
        at = digits.end();
        let mut taken = BTreeMap::new();
        for coding in &CODINGS {
            let mut pieces = coding.pieces(digits.all());
            // The longest reading of the same digits is the one that was meant.
            pieces.sort_by_key(|(place, _)| Reverse(place.len()));
            for (place, decoded) in pieces {
                let before = taken.range(..place.end).next_back();
                if before.is_none_or(|(_, &end)| end <= place.start) {
                    taken.insert(place.start, place.end);
                    see(digits.raw(place), decoded);
                }
            }
        }
    }
}

/// How digits stand for bytes.
struct Coding {
    /// Digits of a unit, and the bytes that they are.
    digits: usize,
    bytes: usize,
    /// What a digit is worth, [`NONE`] for what is no digit.
    values: [u8; 256],
    /// Whether digits, those of a unit, stand for ASCII text.
    is_ascii: fn(&[u8]) -> bool,
    /// How many such units in a row there are in every text.
    least: usize,
}

const NONE: u8 = 0xff;

/// Hexadecimal first: its digits are base64's too.
const CODINGS: [Coding; 2] = [
    Coding {
        digits: 2,
        bytes: 1,
        values: hexadecimal(),
        is_ascii: |pair| matches!(pair[0], 2..8),
        least: 5,
    },
    Coding {
        digits: 4,
        bytes: 3,
        values: base64(),
        // The bits of a byte's upper half say whether it is a control character, or none of ASCII.
        is_ascii: |four| {
            matches!(four[0], 2 | 3 | 8..32) && matches!(four[1] & 15, 0 | 2..8) && four[2] & 2 == 0
        },
        least: 2,
    },
];

impl Coding {
    /// Each range of digits that stands for text, wherever its units begin, and the text.
    fn pieces(&self, digits: &[u8]) -> Vec<(Range<usize>, String)> {
        let mut pieces = Vec::new();
        if digits.len() * self.bytes / self.digits < LEAST_TEXT {
            return pieces;
        }
        for phase in 0..self.digits {
            let mut at = phase;
            while let Some(seen) = self.ascii_from(digits, at) {
                let decoded = self.text_around(digits, at, seen);
                at = decoded.end;
                self.cut(&decoded, digits.len(), &mut pieces);
            }
        }
        pieces
    }

    /// Where, in units from `at` on, digits stand for ASCII text for a while. Ordinary words fail at their first digits.
    fn ascii_from(&self, digits: &[u8], at: usize) -> Option<usize> {
        let mut in_a_row = 0;
        for (index, unit) in digits.get(at..)?.chunks_exact(self.digits).enumerate() {
            let first = self.values[usize::from(unit[0])];
            let mut values = [first; 4];
            let is_ascii = first != NONE && {
                for (value, &digit) in values.iter_mut().zip(unit).skip(1) {
                    *value = self.values[usize::from(digit)];
                }
                !values.contains(&NONE) && (self.is_ascii)(&values)
            };
            in_a_row = if is_ascii { in_a_row + 1 } else { 0 };
            if in_a_row == self.least {
                return Some(at + (index + 1 - in_a_row) * self.digits);
            }
        }
        None
    }

    /// Decodes from `seen` to both sides as long as there are no control characters; not beyond `floor`.
    fn text_around(&self, digits: &[u8], floor: usize, seen: usize) -> Stretch {
        let mut start = seen;
        while start >= floor + self.digits && self.unit(digits, start - self.digits).is_some() {
            start -= self.digits;
        }
        let (mut end, mut bytes) = (start, Vec::new());
        while let Some((unit, count)) = self.unit(digits, end) {
            bytes.extend_from_slice(&unit[..count]);
            end = digits.len().min(end + self.digits);
        }
        Stretch {
            start,
            end: end.max(seen + 1),
            bytes,
        }
    }

    /// The bytes that the unit at `at` stands for, if none is a control character. The last unit may be cut.
    fn unit(&self, digits: &[u8], at: usize) -> Option<([u8; 3], usize)> {
        let unit = digits.get(at..)?;
        let unit = &unit[..unit.len().min(self.digits)];
        let count = unit.len() * self.bytes / self.digits;
        let width = 8 * self.bytes / self.digits;
        let mut bits = 0u32;
        for &digit in unit {
            let value = self.values[usize::from(digit)];
            if value == NONE {
                return None;
            }
            bits = bits << width | u32::from(value);
        }
        bits <<= width * (self.digits - unit.len());
        let mut bytes = [0; 3];
        for (index, byte) in bytes[..count].iter_mut().enumerate() {
            *byte = (bits >> (8 * (self.bytes - 1 - index))) as u8;
        }
        let is_text = |&byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
        (count > 0 && bytes[..count].iter().all(is_text)).then_some((bytes, count))
    }

    /// Appends what of a stretch is text: valid UTF-8 without control characters.
    fn cut(&self, stretch: &Stretch, all: usize, pieces: &mut Vec<(Range<usize>, String)>) {
        let is_control = |char: char| char.is_control() && !"\t\n\r".contains(char);
        let mut at = 0;
        for chunk in stretch.bytes.utf8_chunks() {
            let mut piece_at = at;
            for piece in chunk.valid().split_inclusive(is_control) {
                let text = piece.trim_end_matches(is_control);
                let first = piece_at * self.digits / self.bytes;
                let last = (piece_at + text.len()).saturating_sub(1) * self.digits / self.bytes;
                let place = stretch.start + first..all.min(stretch.start + last + 2);
                let least = if place.end == all {
                    LEAST_TEXT
                } else {
                    LEAST_INNER_TEXT
                };
                if text.len() >= least {
                    pieces.push((place, text.to_owned()));
                }
                piece_at += piece.len();
            }
            at += chunk.valid().len() + chunk.invalid().len();
        }
    }
}

/// Digits whose bytes are no control characters.
struct Stretch {
    start: usize,
    end: usize,
    bytes: Vec<u8>,
}

const fn hexadecimal() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        values[digit as usize] = value as u8;
        values[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
}

const fn base64() -> [u8; 256] {
    const ALPHABETS: [&[u8; 64]; 2] = [
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ];
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABETS[0][value] as usize] = value as u8;
        values[ALPHABETS[1][value] as usize] = value as u8;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, String)> {
        let mut all = Vec::new();
        each(text.as_bytes(), |place, decoded| {
            all.push((&text[place], decoded))
        });
        all
    }

    fn one<'t>(encoded: &'t str, decoded: &str) -> Vec<(&'t str, String)> {
        vec![(encoded, decoded.to_owned())]
    }

    #[test]
    fn base64_of_any_length_and_alphabet_is_read() {
        for (encoded, decoded) in [
            ("MTAuMC4wLjE=", "10.0.0.1"),
            ("MTAuMC4wLjEx", "10.0.0.11"),
            ("YWJjZGVmZ2hpag", "abcdefghij"),
            ("Pz8/Pz8/Pz8/Pj4+", "?????????>>>"),
            ("Pz8_Pz8_Pz8_Pj4-", "?????????>>>"),
            ("67mE67CA67KI7Zi4OiBodW50ZXIyMg==", "비밀번호: hunter22"),
        ] {
            assert_eq!(
                found(&format!("at ({encoded}), yes")),
                one(encoded, decoded)
            );
        }
    }

    #[test]
    fn a_text_is_found_behind_and_before_what_is_none() {
        let text = "/9j/4AAQ/aHR0cDovLzEwLjAuMC4xL3h5eg==";
        assert_eq!(
            found(text),
            one("aHR0cDovLzEwLjAuMC4xL3h5eg==", "http://10.0.0.1/xyz")
        );
        assert_eq!(found("id/MTAuMC4wLjE="), one("MTAuMC4wLjE=", "10.0.0.1"));
    }

    #[test]
    fn lines_of_digits_are_one() {
        let lines = "VGhlIGluc3RhbmNlIGktMDEyMzQ1Njc4OWFiY2RlZjAgaX\r\n  MgZG93biBhbmQgc28gaXMgdGhlIG90aGVyIG9uZSBv\nZiB0aGVt";
        assert_eq!(
            found(&format!("{lines}\n--\n")),
            one(
                lines,
                "The instance i-0123456789abcdef0 is down and so is the other one of them"
            )
        );
    }

    #[test]
    fn hexadecimal_digits_are_read() {
        assert_eq!(
            found("0x31302E302e302e31;"),
            one("31302E302e302e31", "10.0.0.1")
        );
        assert_eq!(
            found("id_7031302e302e302e31"),
            one("7031302e302e302e31", "p10.0.0.1")
        );
    }

    #[test]
    fn what_is_no_text_is_left_alone() {
        for text in [
            "d0b1f2c4a3e5968778695a4b3c2d1e0f00112233",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "550e8400-e29b-41d4-a716-446655440000",
            "interceptor_agent/src/mask/request/find_what_is_to_be_found.rs",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
            "4111111111111111 and 123456789012",
            "InternationalizationAndLocalization",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
