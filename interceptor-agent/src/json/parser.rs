//! The grammar: one pass over the bytes, no recursion.

use super::{Doc, JsonError, Kind, MAX_DEPTH, MAX_VALUES, Node};

/// Parses one whole document: UTF-8, no trailing bytes but white space, nesting up to [`MAX_DEPTH`].
///
/// # Errors
/// Says what is wrong at which byte, see [`JsonError`].
pub fn parse(raw: &[u8]) -> Result<Doc<'_>, JsonError> {
    u32::try_from(raw.len()).map_err(|_| JsonError::TooLarge)?;
    let text = std::str::from_utf8(raw).map_err(|error| JsonError::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser {
        raw,
        at: 0,
        nodes: Vec::with_capacity(16 + raw.len() / 64),
    };
    parser.document()?;
    Ok(Doc {
        raw: text,
        nodes: parser.nodes,
    })
}

struct Parser<'a> {
    raw: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Parser<'_> {
    /// Each turn of the loop reads one value, then closes every container that ends behind it.
    fn document(&mut self) -> Result<(), JsonError> {
        let mut open = [0u32; MAX_DEPTH];
        let mut depth = 0;
        self.skip_space();
        loop {
            if let Some(container) = self.value()? {
                let slot = open.get_mut(depth).ok_or(JsonError::TooDeep {
                    offset: self.at - 1,
                })?;
                *slot = container;
                depth += 1;
                self.skip_space();
                if !self.closes(container) {
                    self.key_of(container)?;
                    continue;
                }
                depth -= 1;
            }
            loop {
                self.skip_space();
                let Some(&container) = depth.checked_sub(1).and_then(|top| open.get(top)) else {
                    return if self.at == self.raw.len() {
                        Ok(())
                    } else {
                        self.expected("the end of the document")
                    };
                };
                if self.peek() == Some(b',') {
                    self.at += 1;
                    self.skip_space();
                    self.key_of(container)?;
                    break;
                }
                if !self.closes(container) {
                    return self.expected("a comma or the closing bracket");
                }
                depth -= 1;
            }
        }
    }

    /// One scalar whole, or the opening bracket of a container, whose node index is the answer.
    fn value(&mut self) -> Result<Option<u32>, JsonError> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(JsonError::TooManyValues);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => return self.string().map(|()| None),
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(Kind::Number, start, false);
                return Ok(None);
            }
            Some(b't') => return self.word(b"true", Kind::True),
            Some(b'f') => return self.word(b"false", Kind::False),
            Some(b'n') => return self.word(b"null", Kind::Null),
            _ => return self.expected("a value"),
        };
        self.at += 1;
        let index = self.nodes.len() as u32;
        self.push(kind, start, false);
        Ok(Some(index))
    }

    /// Ends the container if its bracket stands here.
    fn closes(&mut self, container: u32) -> bool {
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[container as usize];
        let bracket = if node.kind == Kind::Object {
            b'}'
        } else {
            b']'
        };
        let closes = self.raw.get(self.at) == Some(&bracket);
        if closes {
            self.at += 1;
            node.end = self.at as u32;
            node.next = next;
        }
        closes
    }

    /// In an object, reads a key and its colon; in an array there is nothing to read.
    fn key_of(&mut self, container: u32) -> Result<(), JsonError> {
        if self.nodes[container as usize].kind == Kind::Object {
            if self.peek() != Some(b'"') {
                return self.expected("a key in quotes");
            }
            self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.expected("a colon");
            }
            self.at += 1;
            self.skip_space();
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_length(&self.raw[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.expected("control characters to be escaped"),
                None => return self.expected("the end of a string"),
            }
        }
        self.at += 1;
        self.push(Kind::String, start, escaped);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.raw.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.raw.get(self.at + 2..self.at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
                _ => return self.expected("four hexadecimal digits after \\u"),
            },
            _ => return self.expected("an escape sequence"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.raw[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            self.expected("a digit")
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Option<u32>, JsonError> {
        if !self.raw[self.at..].starts_with(word) {
            return self.expected("true, false or null");
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, false);
        Ok(None)
    }

    fn push(&mut self, kind: Kind, start: usize, escaped: bool) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            start: start as u32,
            end: self.at as u32,
            next,
            kind,
            escaped,
        });
    }

    fn peek(&self) -> Option<u8> {
        self.raw.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        Err(JsonError::Syntax {
            offset: self.at,
            expected,
        })
    }
}

/// Bytes before the first quote, backslash or control character, eight at a time.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    // The high bit of each byte of `word` below `limit`; a borrow spoils only bytes behind the first hit.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1)
            | below(word, 0x20);
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_the_grammar_refuses() {
        #[rustfmt::skip]
        let broken = [
            "", " ", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1",
            "{\"a\":1,}", "[1,]", "[,1]", "[1 2]", "{a:1}", "{1:2}", "{\"a\" 1}", "[1}",
            "{\"a\":1]", "01", "-", "1.", ".5", "1e", "1e+", "+1",
            "0x1", "NaN", "tru", "nul", "1 2", "[] x", "\"\\x\"", "\"\\u12g4\"",
            "\"\\u123", "\"a\nb\"", "\"a\tb\"", "\"abcdefgh\u{1}jklmnop\"", "'a'", "[1]]", "// x\n1", "\u{feff}1",
        ];
        for text in broken {
            assert!(
                matches!(parse(text.as_bytes()), Err(JsonError::Syntax { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn says_where() {
        let offset = |raw: &[u8]| match parse(raw) {
            Err(
                JsonError::Syntax { offset, .. }
                | JsonError::NotUtf8 { offset }
                | JsonError::TooDeep { offset },
            ) => Some(offset),
            _ => None,
        };
        assert_eq!(offset(b"{\"a\":tru}"), Some(5));
        assert_eq!(offset(b"[\"abc\xff\"]"), Some(5));
        assert_eq!(offset(b"[1] x"), Some(4));
        assert_eq!(offset("[".repeat(200).as_bytes()), Some(MAX_DEPTH));
    }

    #[test]
    fn nesting_is_limited_and_needs_no_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(
            parse(nested(MAX_DEPTH + 1).as_bytes()),
            Err(JsonError::TooDeep { .. })
        ));
        assert!(matches!(
            parse("{\"a\":".repeat(1_000_000).as_bytes()),
            Err(JsonError::TooDeep { .. })
        ));
    }

    #[test]
    fn the_number_of_values_is_limited() {
        let zeros = |count: usize| format!("[0{}]", ",0".repeat(count - 1));
        assert!(parse(zeros(MAX_VALUES - 1).as_bytes()).is_ok());
        assert!(matches!(
            parse(zeros(MAX_VALUES).as_bytes()),
            Err(JsonError::TooManyValues)
        ));
    }

    #[test]
    fn accepts_surrogates_alone_and_del_and_any_scalar_at_the_top() {
        for text in [
            "\"\\ud800\"",
            "\"\u{7f}\"",
            "0",
            "-0.0e-0",
            "null",
            " [ ] ",
            "{ }",
            "\"\"",
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn accepts_and_refuses_as_serde_json_does(text in r#"[\[\]{}:,"a1.e\-\\nu0 \t]{0,24}"#) {
            let ours = parse(text.as_bytes()).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{}", text);
        }

        #[test]
        fn a_string_ends_where_it_ends(text in "\\PC{0,40}") {
            let raw = serde_json::to_string(&text).unwrap_or_default();
            let doc = parse(raw.as_bytes()).expect("serde_json writes JSON");
            let value = doc.root();
            prop_assert!(value.is_str(&text));
            prop_assert_eq!(value.range(), 0..raw.len());
        }
    }
}
