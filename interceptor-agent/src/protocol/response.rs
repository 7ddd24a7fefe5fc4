//! Which strings of a response are text, which are opaque, and which texts arrive over many events.

use std::collections::BTreeSet;

use super::{Endpoint, anthropic, openai};
use crate::json::{Kind, Value};

/// One text that arrives over many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Content block or choice.
    pub block: u64,
    /// Tool call within the block.
    pub tool: Option<u64>,
    /// Name of the string that carries the pieces.
    pub field: &'static str,
    /// Whether the text is JSON itself: a tool call's arguments.
    pub nested: bool,
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
    /// Those of one content block or choice.
    Block(u64),
    /// All of them.
    All,
}

impl Step<'_> {
    /// Whether the event ends this channel's text.
    pub fn ends(&self, channel: Channel) -> bool {
        self.ends.contains(&Ends::All) || self.ends.contains(&Ends::Block(channel.block))
    }
}

/// Reads one event of a stream.
pub fn step<'d>(endpoint: Endpoint, event: Value<'d>) -> Step<'d> {
    match endpoint {
        Endpoint::AnthropicMessages | Endpoint::AnthropicCountTokens => {
            anthropic::stream::step(event)
        }
        Endpoint::OpenAiChat => openai::stream::step(event),
        Endpoint::Generic => Step::default(),
    }
}

/// An event that carries nothing but one more piece of a text.
pub struct PieceEvent {
    /// The `event` line, where the protocol has one.
    pub name: Option<&'static str>,
    /// JSON up to the piece and from it on.
    pub data: [String; 2],
}

/// The event that carries one more piece of `channel`. `like` is the JSON of an earlier event of the same stream.
pub fn piece_event(endpoint: Endpoint, channel: Channel, like: Value<'_>) -> Option<PieceEvent> {
    match endpoint {
        Endpoint::AnthropicMessages | Endpoint::AnthropicCountTokens => {
            Some(anthropic::stream::piece_event(channel))
        }
        Endpoint::OpenAiChat => Some(openai::stream::piece_event(channel, like)),
        Endpoint::Generic => None,
    }
}

/// Whether an object of this `type` must come back to the provider exactly as it sent it.
fn is_opaque_type(name: &str) -> bool {
    matches!(
        name,
        "thinking" | "thinking_delta" | "redacted_thinking" | "signature_delta"
    )
}

/// Whether what stands below this key isn't text: signed or encrypted, padding, or the API's own words.
fn is_opaque_name(name: &str) -> bool {
    let signed = matches!(
        name,
        "thinking"
            | "signature"
            | "thought_signature"
            | "reasoning_details"
            | "encrypted_content"
            | "encrypted_index"
    );
    let own = matches!(
        name,
        "id" | "tool_call_id"
            | "tool_use_id"
            | "request_id"
            | "type"
            | "object"
            | "role"
            | "model"
            | "stop_reason"
            | "finish_reason"
    );
    signed || own || name == "obfuscation"
}

/// Calls `visit` for every string of a response that is text, in document order, and says whether it holds JSON itself.
/// What a tool is called with is text throughout, its keys too: `id` and `type` are the tool's own words there.
pub fn texts<'d>(endpoint: Endpoint, root: Value<'d>, visit: &mut impl FnMut(Value<'d>, bool)) {
    walk(root, endpoint == Endpoint::Generic, visit);
}

fn walk<'d>(value: Value<'d>, all: bool, visit: &mut impl FnMut(Value<'d>, bool)) {
    match value.kind() {
        Kind::String => visit(value, false),
        Kind::Array => value.items().for_each(|item| walk(item, all, visit)),
        Kind::Object if all => {
            for (name, value) in value.entries() {
                visit(name, false);
                walk(value, all, visit);
            }
        }
        Kind::Object => {
            let kind = value.get("type").and_then(Value::text);
            if kind.is_some_and(|kind| is_opaque_type(&kind)) {
                return;
            }
            for (name, value) in value.entries() {
                let is_string = value.kind() == Kind::String;
                match name.text().unwrap_or_default().as_ref() {
                    "arguments" if is_string => visit(value, true),
                    "input" => walk(value, true, visit),
                    name if is_opaque_name(name) => {}
                    _ => walk(value, false, visit),
                }
            }
        }
        Kind::Number | Kind::True | Kind::False | Kind::Null => {}
    }
}

/// An `index` member; 0 where a provider leaves it out.
pub(super) fn index(object: Value<'_>) -> u64 {
    index_or(object, 0)
}

/// An `index` member, or `default`.
pub(super) fn index_or(object: Value<'_>, default: u64) -> u64 {
    object
        .get("index")
        .and_then(|index| index.inner_raw().parse().ok())
        .unwrap_or(default)
}
