//! The texts that stand in a text behind encodings, as a person or a model would read them.
//!
//! A layer is made only where something of an encoding is seen, of the lines that have it; ordinary text costs one quick look.
//! Each part of a text is in at most one layer of each [`Kind`], so the work stays linear in the text, to a fixed depth.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::{Decoded, Rewrite, blocks, chars, cut};

/// How many encodings inside one another are seen through: JSON in JSON in JSON.
pub const DEPTH: usize = 3;

/// A text behind an encoding.
pub struct Layer<'t> {
    decoded: Decoded<'t>,
    /// Where the encoded text stands.
    encoded: Range<usize>,
    kind: Kind,
}

/// How a layer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Characters that are written in another way: escapes, look-alikes, invisible ones between.
    Chars,
    /// Base64 or hexadecimal digits, whose parts don't stand for parts of the text: only the whole can be replaced.
    Block,
    /// Lines made one. Only what crosses their ends is new.
    Joined,
}

impl Layer<'_> {
    /// As it reads.
    pub fn text(&self) -> &str {
        self.decoded.text()
    }

    /// How it came about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The range of the encoded text that a range of this one, which is not empty, is in.
    pub fn encoded(&self, range: Range<usize>) -> Range<usize> {
        match self.kind {
            Kind::Block => self.encoded.clone(),
            Kind::Chars => {
                let raw = self.decoded.raw_range(range);
                self.encoded.start + raw.start..self.encoded.start + raw.end
            }
            // What ends before the end of a line has none of it.
            Kind::Joined => {
                let last = self.decoded.raw_offset(range.end - 1);
                self.encoded.start + self.decoded.raw_offset(range.start)
                    ..self.encoded.start + last + 1
            }
        }
    }
}

/// Calls `see` with each layer of a text.
pub fn each(text: &str, mut see: impl FnMut(Layer<'_>)) {
    for lines in lines_with_encoded_chars(text) {
        let decoded = chars::decode(&text[lines.clone()]);
        if !decoded.is_borrowed() {
            see(Layer {
                decoded,
                encoded: lines,
                kind: Kind::Chars,
            });
        }
    }
    blocks::each(text.as_bytes(), |encoded, text| {
        see(Layer {
            decoded: Decoded::owned(text),
            encoded,
            kind: Kind::Block,
        })
    });
    cut::each(text, |encoded, end| {
        let mut joined = Rewrite::new(&text[encoded.clone()]);
        joined.put(end.start - encoded.start..end.end - encoded.start, None);
        see(Layer {
            decoded: joined.finish(),
            encoded,
            kind: Kind::Joined,
        })
    });
}

/// The runs of lines of `text` that have an encoded character.
fn lines_with_encoded_chars(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut encoded = chars::Encoded::new(text);
    let mut at = 0;
    std::iter::from_fn(move || {
        let first = encoded.from(at)?;
        let start = at + memrchr(b'\n', &bytes[at..first]).map_or(0, |newline| newline + 1);
        let line_end = |from: usize| {
            memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |newline| from + newline)
        };
        let mut end = line_end(first);
        while end < bytes.len() {
            let next = line_end(end + 1);
            if encoded.from(end + 1).is_none_or(|other| other >= next) {
                break;
            }
            end = next;
        }
        at = end;
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text behind encodings at any depth, and how many bytes that is.
    fn behind(text: &str, depth: usize, all: &mut Vec<String>) {
        each(text, |layer| {
            all.push(layer.text().to_owned());
            if depth > 1 && layer.kind() != Kind::Joined {
                behind(layer.text(), depth - 1, all);
            }
        });
    }

    fn all(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        behind(text, DEPTH, &mut all);
        all
    }

    #[test]
    fn encodings_inside_one_another_are_seen_through() {
        let json = r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"d\\\"}\"}"}"#;
        assert_eq!(all(json)[1..], [r#"{"a":"{"b":"{"c":"d"}"}"}"#]);
        // In hexadecimal, in base64, with percent signs.
        let text = "NjggNzQ3NDcwM2EyZjJmMzEzMDJlMzAyZTMwMmUzMQ%3d%3d";
        assert!(all(text).contains(&"ttp://10.0.0.1".to_owned()));
    }

    #[test]
    fn lines_with_encoded_characters_are_decoded_together() {
        let lines = |text: &str| {
            lines_with_encoded_chars(text)
                .map(|lines| text[lines].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            lines("plain\na\\n\nb\\t\nplain\\d\n%41"),
            ["a\\n\nb\\t", "%41"]
        );
        assert_eq!(lines("none\n"), [""; 0]);
    }

    #[test]
    fn ordinary_text_has_no_layers() {
        let text = include_str!("../../../../tests/src/bin/bench/ordinary.txt");
        assert_eq!(all(text), [""; 0]);
    }

    #[test]
    fn work_stays_linear_whatever_the_text() {
        for piece in [
            "MTAuMC4wLjE=",
            "UUUU",
            "%25%32%35",
            r"\\u005c",
            "3330333033303330",
            "aGVsbG8gd29ybGQ=\n",
            "a1\n",
            "key12345\nabc12345 ",
            "ab\u{200b}",
            "sоmе%4a",
            "VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV\n",
        ] {
            let text = piece.repeat((1 << 18) / piece.len());
            let bytes: usize = all(&text).iter().map(String::len).sum();
            assert!(
                bytes <= 12 * text.len(),
                "{bytes} bytes behind {} of {piece:?}",
                text.len()
            );
        }
    }

    #[test]
    fn a_range_stands_where_its_characters_do() {
        let text = "é %41\u{200b}B ＣD";
        each(text, |layer| {
            let offsets = layer.text().char_indices().map(|(offset, _)| offset);
            let edges: Vec<_> = offsets.chain([layer.text().len()]).collect();
            for pair in edges.windows(2) {
                assert!(text.get(layer.encoded(pair[0]..pair[1])).is_some());
            }
            let at = layer.text().find("AB C").expect("it reads so");
            assert_eq!(&text[layer.encoded(at..at + 2)], "%41\u{200b}B");
        });
    }
}
