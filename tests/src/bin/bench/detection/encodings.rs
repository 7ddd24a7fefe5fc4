//! The encodings that a value may be written in, each with where every byte of the plain text has gone.

use std::fmt::Write as _;
use std::ops::Range;

use super::corpora::Sample;

/// One way of writing a text.
pub struct Encoding {
    pub name: &'static str,
    write: fn(&Sample) -> Written,
}

/// A sample in an encoding.
pub struct Encoded {
    pub text: String,
    pub secrets: Vec<Range<usize>>,
}

/// A text, and for each byte of the plain one where it has gone.
struct Written {
    text: String,
    places: Vec<Range<usize>>,
}

/// Every encoding; the first is none.
pub const ENCODINGS: [Encoding; 14] = [
    Encoding {
        name: "plain",
        write: |sample| each(&sample.text, |char, out| out.push(char)),
    },
    Encoding {
        name: "JSON",
        write: |sample| json(each(&sample.text, json_char)),
    },
    Encoding {
        name: "JSON×3",
        write: |sample| json(again(json(again(json(each(&sample.text, json_char)))))),
    },
    Encoding {
        name: "\\u",
        write: |sample| each(&sample.text, unicode_char),
    },
    Encoding {
        name: "\\x",
        write: |sample| each(&sample.text, |char, out| bytes("\\x", char, out)),
    },
    Encoding {
        name: "%",
        write: |sample| each(&sample.text, percent_char),
    },
    Encoding {
        name: "%all",
        write: |sample| each(&sample.text, |char, out| bytes("%", char, out)),
    },
    Encoding {
        name: "base64",
        write: |sample| base64(&sample.text, STANDARD, true),
    },
    Encoding {
        name: "b64url",
        write: |sample| base64(&sample.text, URL_SAFE, false),
    },
    Encoding {
        name: "hex",
        write: |sample| in_prose(each(&sample.text, |char, out| bytes("", char, out))),
    },
    Encoding {
        name: "zero-w",
        write: |sample| each(&sample.text, |char, out| out.extend([char, '\u{200b}'])),
    },
    Encoding {
        name: "full-w",
        write: |sample| each(&sample.text, |char, out| out.push(full_width(char))),
    },
    Encoding {
        name: "alike",
        write: |sample| each(&sample.text, |char, out| out.push(look_alike(char))),
    },
    Encoding {
        name: "cut",
        write: cut,
    },
];

impl Encoding {
    /// Writes a sample so.
    pub fn encode(&self, sample: &Sample) -> Encoded {
        let written = (self.write)(sample);
        let place = |secret: &Range<usize>| {
            written.places[secret.start].start..written.places[secret.end - 1].end
        };
        Encoded {
            secrets: sample.secrets.iter().map(place).collect(),
            text: written.text,
        }
    }
}

fn each(plain: &str, mut write: impl FnMut(char, &mut String)) -> Written {
    let mut text = String::new();
    let mut places = Vec::with_capacity(plain.len());
    for char in plain.chars() {
        let start = text.len();
        write(char, &mut text);
        places.extend(std::iter::repeat_n(start..text.len(), char.len_utf8()));
    }
    Written { text, places }
}

/// The inside of one more JSON string.
fn again(inner: Written) -> Written {
    let outer = each(&inner.text, json_char);
    let place =
        |place: Range<usize>| outer.places[place.start].start..outer.places[place.end - 1].end;
    Written {
        places: inner.places.into_iter().map(place).collect(),
        text: outer.text,
    }
}

fn json(inside: Written) -> Written {
    around(r#"{"log": ""#, inside, r#""}"#)
}

fn in_prose(inside: Written) -> Written {
    around("What does ", inside, " say?")
}

fn around(before: &str, inside: Written, after: &str) -> Written {
    let moved = |place: Range<usize>| place.start + before.len()..place.end + before.len();
    Written {
        text: [before, &inside.text, after].concat(),
        places: inside.places.into_iter().map(moved).collect(),
    }
}

fn json_char(char: char, out: &mut String) {
    match char {
        '"' | '\\' => out.extend(['\\', char]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control if control < ' ' => unicode_char(control, out),
        other => out.push(other),
    }
}

fn unicode_char(char: char, out: &mut String) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        // Writing to a String can't fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// As `encodeURIComponent` does it.
fn percent_char(char: char, out: &mut String) {
    match char.is_ascii_alphanumeric() || "-_.!~*'()".contains(char) {
        true => out.push(char),
        false => bytes("%", char, out),
    }
}

fn bytes(prefix: &str, char: char, out: &mut String) {
    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(out, "{prefix}{byte:02x}");
    }
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(plain: &str, alphabet: &[u8; 64], padded: bool) -> Written {
    let mut text = String::new();
    for three in plain.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, index| {
            bits << 8 | usize::from(three.get(index).copied().unwrap_or(0))
        });
        for digit in 0..=three.len() {
            text.push(char::from(alphabet[bits >> (18 - 6 * digit) & 63]));
        }
        if padded {
            text.extend(std::iter::repeat_n('=', 3 - three.len()));
        }
    }
    // The digits that have bits of the byte.
    let place = |byte: usize| byte * 4 / 3..byte * 4 / 3 + 2;
    in_prose(Written {
        text,
        places: (0..plain.len()).map(place).collect(),
    })
}

fn full_width(char: char) -> char {
    match char {
        '!'..='~' => char::from_u32(u32::from(char) - 0x21 + 0xff01).unwrap_or(char),
        other => other,
    }
}

/// Letters of Cyrillic and Greek that look like one of ASCII.
fn look_alike(char: char) -> char {
    const ASCII: &str = "aceijopsxyABCEHIJKMNOPSTXYZ";
    const ALIKE: &str = "асеіјорѕхуАВСЕНІЈКМΝОРЅТХΥΖ";
    let index = ASCII.chars().position(|ascii| ascii == char);
    index
        .and_then(|index| ALIKE.chars().nth(index))
        .unwrap_or(char)
}

/// Each secret in two lines; where none is labelled, the longest word.
fn cut(sample: &Sample) -> Written {
    let words = sample.text.split_whitespace().map(|word| {
        let start = word.as_ptr() as usize - sample.text.as_ptr() as usize;
        start..start + word.len()
    });
    let longest = words.max_by_key(|word| word.len());
    let cut_ones = match &sample.secrets[..] {
        [] => longest.into_iter().collect(),
        secrets => secrets.to_vec(),
    };
    let middles: Vec<_> = cut_ones
        .iter()
        .map(|place| {
            sample
                .text
                .floor_char_boundary(place.start + place.len() / 2)
        })
        .collect();
    let mut at = 0;
    each(&sample.text, |char, out| {
        if middles.contains(&at) {
            out.push('\n');
        }
        out.push(char);
        at += char.len_utf8();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_where_their_encoding_puts_them() {
        let sample = Sample {
            corpus: "",
            class: String::new(),
            text: "é=\"ape\" x".to_owned(),
            secrets: std::iter::once(4..7).collect(),
            positive: true,
        };
        let written: Vec<_> = ENCODINGS
            .iter()
            .map(|encoding| {
                let encoded = encoding.encode(&sample);
                encoded.text[encoded.secrets[0].clone()].to_owned()
            })
            .collect();
        let expected = [
            "ape",
            "ape",
            "ape",
            "\\u0061\\u0070\\u0065",
            "\\x61\\x70\\x65",
            "ape",
            "%61%70%65",
            "mFwZS",
            "mFwZS",
            "617065",
            "a\u{200b}p\u{200b}e\u{200b}",
            "ａｐｅ",
            "аре",
            "a\npe",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn base64_is_that_of_everybody() {
        assert_eq!(base64("a~?", STANDARD, true).text, "What does YX4/ say?");
        assert_eq!(
            base64("a~?b", URL_SAFE, false).text,
            "What does YX4_Yg say?"
        );
        assert_eq!(base64("a", STANDARD, true).text, "What does YQ== say?");
    }
}
