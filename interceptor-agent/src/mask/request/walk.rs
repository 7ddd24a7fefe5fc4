//! The spans of a request body in canonical order: unit by unit, each in document order.
//!
//! A unit is what a client adds to a conversation at once: the system prompt, the tools, all other
//! parameters, and then each message.

use std::{borrow::Cow, cell::OnceCell, ops::Range};

use super::file::{self, File, TextFile};
use crate::{
    json::{Kind, Value},
    media::{Media, OCTETS},
    protocol::schema::{Looks, MEDIA_TYPE_KEYS, Place, Schema, is_binary_media},
};

/// A piece of a document that is looked at as one text.
pub(super) enum Span<'d> {
    /// A string or number by itself, or a key.
    Text(Value<'d>),
    /// Key and value of the user's own data: the key says what the value is, as in `"password": "…"`.
    Member { key: Value<'d>, value: Value<'d> },
    /// A string that holds a JSON document.
    Json(Value<'d>),
    /// A string that is a file of text, in base64.
    File(Value<'d>, TextFile),
    /// Text as a tokenizer's ids stands in the unit. The ids are visited one by one, too.
    TokenIds,
}

/// The units of a body. Top-level keys come in the schema's order, whatever order they were written in.
pub(super) fn units<'d>(root: Value<'d>, schema: &Schema) -> Vec<Vec<Entry<'d>>> {
    if root.kind() != Kind::Object || schema.structure.is_empty() && schema.placed.is_empty() {
        return vec![vec![Entry {
            key: None,
            value: root,
        }]];
    }
    let mut first: Vec<Vec<Entry>> = schema.first.iter().map(|_| Vec::new()).collect();
    let (mut other, mut turns) = (Vec::new(), Vec::new());
    for (key, value) in root.entries() {
        let entry = Entry {
            key: Some(key),
            value,
        };
        if let Some(index) = schema.first.iter().position(|name| key.is_str(name)) {
            first[index].push(entry);
        } else if key.is_str(schema.turns) && value.kind() == Kind::Array {
            turns.extend(value.items().map(|turn| {
                vec![Entry {
                    key: Some(key),
                    value: turn,
                }]
            }));
        } else {
            other.push(entry);
        }
    }
    first
        .into_iter()
        .chain(turns)
        // Last, so that a value that changes with every call moves no token of the conversation.
        .chain([other])
        .filter(|unit| !unit.is_empty())
        .collect()
}

/// A value of a unit, and the top-level key that it belongs to.
pub(super) struct Entry<'d> {
    key: Option<Value<'d>>,
    value: Value<'d>,
}

impl<'d> Entry<'d> {
    /// The top-level key as written; empty where there is none.
    pub fn key(&self) -> &'d str {
        self.key.map_or("", Value::inner_raw)
    }

    /// Where the value stands.
    pub fn range(&self) -> Range<usize> {
        self.value.range()
    }

    /// Visits every span.
    pub fn walk(&self, schema: &Schema, visit: &mut impl FnMut(Span<'d>)) {
        match self.key {
            None => free(self.value, visit),
            Some(key) => {
                let mut with_ids = schema.token_ids.iter();
                if with_ids.any(|name| key.is_str(name)) && has_number(self.value) {
                    visit(Span::TokenIds);
                }
                Walk { schema, visit }.member(self.value, None, "", key);
            }
        }
    }
}

/// Whether this is a number, or a list that has one at any depth.
fn has_number(value: Value) -> bool {
    value.kind() == Kind::Number || value.items().any(has_number)
}

/// Every string, number and key of a value that is the user's own.
pub(super) fn free<'d>(value: Value<'d>, visit: &mut impl FnMut(Span<'d>)) {
    match value.kind() {
        Kind::Object => value
            .entries()
            .for_each(|(key, value)| free_member(key, value, visit)),
        Kind::Array => value.items().for_each(|item| free(item, visit)),
        Kind::String | Kind::Number => visit(Span::Text(value)),
        Kind::True | Kind::False | Kind::Null => {}
    }
}

/// The members of an object that is the user's own, but for the value `known`.
pub(super) fn free_beside<'d>(
    object: Value<'d>,
    known: Value<'d>,
    visit: &mut impl FnMut(Span<'d>),
) {
    for (key, value) in object.entries() {
        match value.range() == known.range() {
            true => visit(Span::Text(key)),
            false => free_member(key, value, visit),
        }
    }
}

fn free_member<'d>(key: Value<'d>, value: Value<'d>, visit: &mut impl FnMut(Span<'d>)) {
    match value.kind() {
        Kind::String | Kind::Number => visit(Span::Member { key, value }),
        _ => {
            visit(Span::Text(key));
            free(value, visit);
        }
    }
}

/// The part of a body whose shape the API defines.
struct Walk<'s, V> {
    schema: &'s Schema,
    visit: V,
}

impl<'d, V: FnMut(Span<'d>)> Walk<'_, &mut V> {
    /// `value` stands below the structural key `below`.
    fn structure(&mut self, value: Value<'d>, below: &str) {
        match value.kind() {
            Kind::Object => {
                let object = Object::of(value);
                for (key, child) in value.entries() {
                    self.member(child, Some(&object), below, key);
                }
            }
            Kind::Array => value.items().for_each(|item| self.structure(item, below)),
            _ => free(value, self.visit),
        }
    }

    fn member(
        &mut self,
        value: Value<'d>,
        object: Option<&Object<'d>>,
        below: &str,
        key: Value<'d>,
    ) {
        if matches!(value.kind(), Kind::String | Kind::Number) && self.schema.rows.contains(&below)
        {
            return free_member(key, value, self.visit);
        }
        if !is_plain_name(key.inner_raw()) {
            (self.visit)(Span::Text(key));
        }
        let name = key.text().unwrap_or_default();
        let stands = |key: &str, place| *name == *key && stands(value, object, below, place);
        for rule in self.schema.opaque {
            if !stands(rule.key, rule.place) {
                continue;
            }
            match rule.looks {
                Looks::File | Looks::Url => match File::of(value, rule.looks) {
                    Some(File::Media) if object.is_some_and(Object::says_text) => {}
                    Some(File::Media) => return,
                    Some(File::Text(file)) => return (self.visit)(Span::File(value, file)),
                    None => {}
                },
                like if looks(value, like) => return,
                _ => {}
            }
        }
        if value.kind() == Kind::String && self.schema.json_text.contains(&&*name) {
            return (self.visit)(Span::Json(value));
        }
        let anywhere = self
            .schema
            .structure
            .iter()
            .map(|name| (name, Place::Anywhere));
        let placed = self
            .schema
            .placed
            .iter()
            .map(|(name, place)| (name, *place));
        let mut structure = anywhere.chain(placed);
        match structure.find(|(name, place)| stands(name, *place)) {
            Some((name, _)) => self.structure(value, name),
            None => free(value, self.visit),
        }
    }
}

/// An object of the API's structure, with what says what its members are: looked up once, when first asked for.
struct Object<'d> {
    value: Value<'d>,
    kind: OnceCell<Option<Value<'d>>>,
    is_binary: OnceCell<bool>,
}

impl<'d> Object<'d> {
    fn of(value: Value<'d>) -> Self {
        Self {
            value,
            kind: OnceCell::new(),
            is_binary: OnceCell::new(),
        }
    }

    /// The value of `key`. Where keys repeat with different values, who knows which one the provider reads.
    fn only(&self, key: &str) -> Option<Value<'d>> {
        let named = |&(name, _): &(Value, Value)| name.is_str(key);
        let mut values = self.value.entries().filter(named).map(|(_, value)| value);
        let first = values.next()?;
        values
            .all(|other| other.inner_raw() == first.inner_raw())
            .then_some(first)
    }

    /// Whether it says, in one way or another but never differently, that its content is not text.
    fn is_binary(&self) -> bool {
        let [mut any, mut all] = [false, true];
        self.media_types()
            .for_each(|name| (any, all) = (true, all && is_binary_media(&name)));
        any && all
    }

    /// Whether it says that its content is something else than media.
    fn says_text(&self) -> bool {
        self.media_types()
            .any(|name| name != OCTETS && Media::of_type(&name).is_none())
    }

    fn media_types(&self) -> impl Iterator<Item = Cow<'d, str>> {
        let named = |(name, _): &(Value, Value)| MEDIA_TYPE_KEYS.iter().any(|key| name.is_str(key));
        let said = self.value.entries().filter(named);
        said.map(|(_, media)| media.text().unwrap_or_default())
    }
}

fn looks(value: Value, like: Looks) -> bool {
    match (value.kind(), like) {
        (Kind::String, Looks::Any) | (Kind::Number, Looks::Any | Looks::Number) => true,
        (Kind::String, Looks::Name) => is_plain_name(value.inner_raw()),
        (Kind::String, Looks::Base64) => {
            let text = value.text();
            text.is_some_and(|text| text.bytes().all(file::is_digit))
        }
        _ => false,
    }
}

/// Whether `value`, a member of `object` below the structural key `below`, stands there.
fn stands(value: Value, object: Option<&Object>, below: &str, place: Place) -> bool {
    match place {
        Place::Anywhere => true,
        Place::Top => object.is_none(),
        Place::Below(name) => below == name,
        Place::Type(name) => object
            .and_then(|object| *object.kind.get_or_init(|| object.only("type")))
            .is_some_and(|kind| kind.is_str(name)),
        Place::BinaryMedia => {
            object.is_some_and(|object| *object.is_binary.get_or_init(|| object.is_binary()))
        }
        Place::Blocks(kinds) => {
            let kind = Object::of(value).only("type");
            let mut known = kinds.iter();
            value.kind() == Kind::Array
                || kind.is_some_and(|kind| known.any(|known| kind.is_str(known)))
        }
    }
}

/// Whether this looks like a name the API chose. No class has such values.
fn is_plain_name(text: &str) -> bool {
    text.len() <= 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests;
