//! Which strings of an answer are text, which are opaque, and which texts arrive over many events.

mod piece;

use std::collections::BTreeSet;

pub use self::piece::{PieceEvent, like};
use crate::json::{Kind, Value};

/// A provider's answer, as data. Everything is text but for what a table names.
pub struct Answer {
    /// `type`s of objects that come back to the provider exactly as it sent them.
    pub sealed: &'static [&'static str],
    /// Keys below which nothing is text: signed or encrypted, media, padding. The API's own words (see [`OWN`]) are
    /// none anyway.
    pub opaque: &'static [&'static str],
    /// Keys below which all is a tool's own: every string is text, keys too.
    pub free: &'static [&'static str],
    /// Keys whose string is a JSON document of its own.
    pub json_text: &'static [&'static str],
    /// Texts that go on from event to event.
    pub stream: Option<&'static Stream>,
    /// Whether JSON is an array whose items are the events of the stream.
    pub array: bool,
    /// Whether all of it is free: nothing is known about it.
    pub unknown: bool,
    /// Whether it is a file, whose own bytes say what it is: lines of JSON, JSON, or text.
    pub file: bool,
}

/// How the events of a stream are read, and one of our own is written.
pub struct Stream {
    /// Reads one event.
    pub step: for<'d> fn(Value<'d>) -> Step<'d>,
    /// The event that carries one more piece of a text. The values are an earlier event and the piece in it.
    pub piece: fn(Channel, Value<'_>, Value<'_>) -> PieceEvent,
    /// Whether the first piece of a block's next text, a tool call after the content say, ends the texts before it.
    pub gives_way: bool,
    /// Kinds of events or names of fields that `step` knows; each is seen in a fixture.
    pub kinds: &'static [&'static str],
}

/// Any JSON at all.
pub const GENERIC: Answer = Answer {
    sealed: &[],
    opaque: &[],
    free: &[],
    json_text: &[],
    stream: None,
    array: false,
    unknown: true,
    file: false,
};

/// A file that was uploaded, or made by a batch: lines of requests and answers, or anything else.
pub(super) const FILE: Answer = Answer {
    json_text: &["arguments"],
    file: true,
    ..GENERIC
};

/// What the answers of providers have in common.
pub(super) const PLAIN: Answer = Answer {
    unknown: false,
    ..GENERIC
};

/// Words of the APIs themselves.
const OWN: &[&str] = &[
    "id",
    "tool_call_id",
    "tool_use_id",
    "request_id",
    "type",
    "object",
    "role",
    "model",
    "stop_reason",
    "finish_reason",
];

/// One text that arrives over many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Content block, choice, candidate or output item.
    pub block: u64,
    /// Tool call or content part within the block.
    pub part: Option<u64>,
    /// Name of the string that carries the pieces, or of the event that does.
    pub field: &'static str,
    /// Whether the text is JSON itself: a tool call's arguments.
    pub nested: bool,
}

impl Channel {
    /// A block's plain text.
    pub const fn text(block: u64, field: &'static str) -> Self {
        Self {
            block,
            part: None,
            field,
            nested: false,
        }
    }
}

/// What an event does to the texts that arrive over many events.
#[derive(Default)]
pub struct Step<'d> {
    /// The pieces that it brings, in document order.
    pub pieces: Vec<(Channel, Value<'d>)>,
    /// The texts that end with it.
    pub ends: BTreeSet<Ends>,
}

/// Texts that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ends {
    /// This one.
    Text(Channel),
    /// Those of one content block, choice, candidate or output item.
    Block(u64),
    /// All of them.
    All,
}

impl<'d> Step<'d> {
    /// Whether the event ends this channel's text.
    pub fn ends(&self, channel: Channel) -> bool {
        [Ends::All, Ends::Block(channel.block), Ends::Text(channel)]
            .iter()
            .any(|ends| self.ends.contains(ends))
    }

    /// Adds a piece, if it is a string.
    pub(super) fn piece(&mut self, channel: Channel, text: Option<Value<'d>>) {
        let text = text.filter(|text| text.kind() == Kind::String);
        self.pieces.extend(text.map(|text| (channel, text)));
    }

    /// The pieces in document order.
    pub(super) fn sorted(mut self) -> Self {
        self.pieces.sort_by_key(|(_, text)| text.range().start);
        self
    }
}

impl Answer {
    /// Calls `visit` for every string that is text, in document order, and says whether it holds JSON itself.
    /// What a tool is called with is text throughout, its keys too: `id` and `type` are the tool's own words there.
    pub fn texts<'d>(&self, root: Value<'d>, visit: &mut impl FnMut(Value<'d>, bool)) {
        self.walk(root, self.unknown, visit);
    }

    fn walk<'d>(&self, value: Value<'d>, all: bool, visit: &mut impl FnMut(Value<'d>, bool)) {
        match value.kind() {
            Kind::String => visit(value, false),
            Kind::Array => value.items().for_each(|item| self.walk(item, all, visit)),
            Kind::Object if all => {
                let nested = |name: Value<'d>| {
                    self.unknown && self.json_text.iter().any(|key| name.is_str(key))
                };
                for (name, value) in value.entries() {
                    visit(name, false);
                    match value.kind() {
                        Kind::String if nested(name) => visit(value, true),
                        _ => self.walk(value, all, visit),
                    }
                }
            }
            Kind::Object => self.object(value, visit),
            Kind::Number | Kind::True | Kind::False | Kind::Null => {}
        }
    }

    fn object<'d>(&self, object: Value<'d>, visit: &mut impl FnMut(Value<'d>, bool)) {
        let kind = || object.get("type").and_then(Value::text);
        if !self.sealed.is_empty() && kind().is_some_and(|kind| self.sealed.contains(&&*kind)) {
            return;
        }
        for (name, value) in object.entries() {
            let is_string = value.kind() == Kind::String;
            match name.text().unwrap_or_default().as_ref() {
                name if is_string && self.json_text.contains(&name) => visit(value, true),
                name if self.free.contains(&name) => self.walk(value, true, visit),
                name if OWN.contains(&name) || self.opaque.contains(&name) => {}
                _ => self.walk(value, false, visit),
            }
        }
    }
}

/// An `index` member; 0 where a provider leaves it out.
pub(super) fn index(object: Value<'_>) -> u64 {
    number(object, "index").unwrap_or(0)
}

/// A member that is a number.
pub(super) fn number(object: Value<'_>, key: &str) -> Option<u64> {
    object.get(key)?.inner_raw().parse().ok()
}

/// Whether a member is there, and not null.
pub(super) fn has(object: Value<'_>, key: &str) -> bool {
    let value = object.get(key);
    value.is_some_and(|value| value.kind() != Kind::Null)
}
