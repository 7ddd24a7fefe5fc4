//! Where each value of a JSON document stands in its raw bytes; nothing is re-serialised.
//!
//! [`parse`] checks a whole document strictly (RFC 8259) and keeps one flat node per value; [`Value`] is a
//! cursor over them. Numbers stay text, duplicate keys stay, and strings are decoded only when asked for.

mod escape;
mod parser;
pub mod split;

use std::{borrow::Cow, iter, ops::Range};

pub use escape::{Escape, Escapes};
pub use parser::parse;

/// Deepest nesting of objects and arrays that [`parse`] accepts.
pub const MAX_DEPTH: usize = 128;

/// Most values and keys of a document that [`parse`] accepts: each takes 16 bytes beside the document itself.
pub const MAX_VALUES: usize = 1 << 21;

/// Why a document was refused; the side that sent it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8 from this offset on.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Byte offset in the document.
        offset: usize,
    },
    /// The grammar is broken at this offset.
    #[error("not JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Byte offset in the document.
        offset: usize,
        /// What the grammar allows there.
        expected: &'static str,
    },
    /// More than [`MAX_DEPTH`] objects and arrays inside one another.
    #[error("JSON nested deeper than {MAX_DEPTH} levels at byte {offset}")]
    TooDeep {
        /// Byte offset of the bracket that goes too deep.
        offset: usize,
    },
    /// More than [`MAX_VALUES`] values and keys.
    #[error("JSON document of more than {MAX_VALUES} values")]
    TooManyValues,
    /// Offsets don't fit 32 bits.
    #[error("JSON document of 4 GiB or more")]
    TooLarge,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are JSON's own")]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// One value, in document order; an object's children alternate between key and value.
#[derive(Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// Index of the first node that is not inside this one.
    next: u32,
    kind: Kind,
    /// A string with at least one backslash.
    escaped: bool,
}

/// A checked document: its text and where its values stand.
pub struct Doc<'a> {
    raw: &'a str,
    nodes: Vec<Node>,
}

impl<'a> Doc<'a> {
    /// The document's only top-level value.
    pub fn root(&self) -> Value<'_> {
        Value {
            doc: self,
            index: 0,
        }
    }

    /// The document as text.
    pub fn text(&self) -> &'a str {
        self.raw
    }

    /// The bytes as they came in.
    pub fn raw(&self) -> &'a [u8] {
        self.raw.as_bytes()
    }
}

/// A cursor on one value of a [`Doc`].
#[derive(Clone, Copy)]
pub struct Value<'d> {
    doc: &'d Doc<'d>,
    index: u32,
}

impl<'d> Value<'d> {
    /// What this value is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Byte range of the whole value in the document, a string's quotes included.
    pub fn range(self) -> Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// Byte range between a string's quotes or a container's brackets; the whole of any other value.
    pub fn inner(self) -> Range<usize> {
        let Range { start, end } = self.range();
        match self.kind() {
            Kind::String | Kind::Object | Kind::Array => start + 1..end - 1,
            _ => start..end,
        }
    }

    /// The text at [`Value::inner`], escapes as they stand.
    pub fn inner_raw(self) -> &'d str {
        &self.doc.raw[self.inner()]
    }

    /// Whether this is a string with escapes, so that its text differs from its raw bytes.
    pub fn is_escaped(self) -> bool {
        self.node().escaped
    }

    /// The value of an object's key, the last one where keys repeat. A walk that must see everything
    /// uses [`Value::entries`].
    pub fn get(self, key: &str) -> Option<Value<'d>> {
        self.entries()
            .filter(|(name, _)| name.is_str(key))
            .last()
            .map(|(_, value)| value)
    }

    /// Keys and values of an object in document order, duplicates included; nothing for other kinds.
    pub fn entries(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let mut children = self.children(Kind::Object);
        iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Elements of an array; nothing for other kinds.
    pub fn items(self) -> impl Iterator<Item = Value<'d>> {
        self.children(Kind::Array)
    }

    /// A string's text, escapes resolved; a lone surrogate becomes U+FFFD. None for other kinds.
    pub fn text(self) -> Option<Cow<'d, str>> {
        (self.kind() == Kind::String).then(|| match self.is_escaped() {
            false => Cow::Borrowed(self.inner_raw()),
            true => Cow::Owned(escape::unescape(self.inner_raw())),
        })
    }

    /// Whether this is a string whose text is `expected`.
    pub fn is_str(self, expected: &str) -> bool {
        match self.kind() {
            Kind::String if self.is_escaped() => self.text().as_deref() == Some(expected),
            Kind::String => self.inner_raw() == expected,
            _ => false,
        }
    }

    fn node(self) -> Node {
        self.doc.nodes[self.index as usize]
    }

    fn children(self, of: Kind) -> impl Iterator<Item = Value<'d>> {
        let end = if self.kind() == of {
            self.node().next
        } else {
            self.index
        };
        let mut index = self.index + 1;
        iter::from_fn(move || {
            let child = Value {
                doc: self.doc,
                index,
            };
            (index < end).then(|| {
                index = child.node().next;
                child
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_bytes_of_the_document() {
        let raw = r#" {"a": "é\n" , "b":[1.0,-2e5,true], "c":{}} "#;
        let doc = parse(raw.as_bytes()).unwrap();
        let root = doc.root();
        let a = root.get("a").unwrap();
        assert_eq!(&raw[a.range()], r#""é\n""#);
        assert_eq!(a.inner_raw(), r"é\n");
        assert_eq!(a.text().unwrap(), "é\n");
        let numbers: Vec<_> = root
            .get("b")
            .unwrap()
            .items()
            .map(|v| &raw[v.range()])
            .collect();
        assert_eq!(numbers, ["1.0", "-2e5", "true"]);
        let c = root.get("c").unwrap();
        assert_eq!(
            (c.kind(), c.entries().count(), c.items().count()),
            (Kind::Object, 0, 0)
        );
        assert_eq!(
            root.entries()
                .map(|(key, _)| key.text().unwrap())
                .collect::<String>(),
            "abc"
        );
    }

    #[test]
    fn the_last_of_duplicate_keys_is_found_and_all_are_walked() {
        let doc = parse(br#"{"a":1,"\u0061":2}"#).unwrap();
        assert_eq!(doc.root().entries().count(), 2);
        assert_eq!(doc.root().get("a").unwrap().inner_raw(), "2");
        assert!(doc.root().get("b").is_none());
    }

    #[test]
    fn strings_compare_by_text() {
        let doc = parse(br#"["x\/y","x/y",1]"#).unwrap();
        assert_eq!(
            doc.root()
                .items()
                .map(|v| v.is_str("x/y"))
                .collect::<Vec<_>>(),
            [true, true, false]
        );
    }
}
