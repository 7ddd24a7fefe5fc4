//! The texts of a stream that go on from event to event, each on a channel of its own. How events are framed is
//! none of its business.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    super::unmask::{Pieces, Tokens},
    document::{self, Splice, escaping},
};
use crate::{
    json::Doc,
    protocol::response::{Answer, Channel, PieceEvent, Step},
};

/// Most texts of which something is held at once. The most choices that a provider gives are 128.
const MOST: usize = 256;

/// The texts that are being streamed.
#[derive(Clone)]
pub(super) struct Texts {
    answer: &'static Answer,
    open: BTreeMap<Channel, Text>,
    /// Those of which something waits for more.
    holding: BTreeSet<Channel>,
    owed: Vec<Owed>,
}

/// An event of our own: what was held of a text that ends. It goes out before the event that ends it.
#[derive(Clone)]
pub(super) struct Owed {
    /// The `event` line, where there is one.
    pub name: Option<String>,
    /// JSON.
    pub data: Vec<u8>,
}

#[derive(Clone)]
struct Text {
    pieces: Pieces,
    /// The event that takes to the client what is held when the text ends, and its name: like the one whose end is held.
    event: Option<(PieceEvent, Option<String>)>,
}

/// In which order an event goes on with texts.
struct Order {
    /// The first piece of each text.
    places: BTreeMap<Channel, usize>,
    /// The last piece in each block that begins a text.
    starts: BTreeMap<u64, usize>,
}

impl Order {
    fn of(step: &Step<'_>, open: &BTreeMap<Channel, Text>) -> Self {
        let (mut places, mut starts) = (BTreeMap::new(), BTreeMap::new());
        for (place, &(channel, _)) in step.pieces.iter().enumerate() {
            let first = *places.entry(channel).or_insert(place);
            if first == place && !open.contains_key(&channel) {
                starts.insert(channel.block, place);
            }
        }
        Self { places, starts }
    }

    /// Whether the event begins another text behind this one's piece.
    fn gives_way(&self, channel: Channel) -> bool {
        self.places.get(&channel) < self.starts.get(&channel.block)
    }
}

impl Texts {
    pub(super) fn new(answer: &'static Answer) -> Self {
        Self {
            answer,
            open: BTreeMap::new(),
            holding: BTreeSet::new(),
            owed: Vec::new(),
        }
    }

    /// Whether something waits for more text.
    pub(super) fn is_holding(&self) -> bool {
        !self.holding.is_empty()
    }

    /// What has to go out before anything else does.
    pub(super) fn owed(&mut self) -> impl Iterator<Item = Owed> {
        self.owed.drain(..)
    }

    /// The stream has ended.
    pub(super) fn end(&mut self, tokens: &Tokens) {
        self.end_those(tokens, |_| true);
    }

    /// One event with values put back; borrowed as long as nothing differs.
    pub(super) fn event<'a>(
        &mut self,
        tokens: &Tokens,
        doc: &Doc<'a>,
        name: Option<&str>,
    ) -> Cow<'a, [u8]> {
        let Some(stream) = self.answer.stream else {
            return document::unmask(self.answer, tokens, doc);
        };
        let mut step = (stream.step)(doc.root());
        // An empty piece begins no text.
        step.pieces.retain(|(channel, piece)| {
            !piece.inner().is_empty() || self.open.contains_key(channel)
        });
        let order = Order::of(&step, &self.open);
        let gives_way = |channel| stream.gives_way && order.gives_way(channel);
        let ends = |channel| gives_way(channel) || step.ends(channel);
        self.end_those(tokens, |channel| {
            !order.places.contains_key(&channel) && ends(channel)
        });

        let mut splice = Splice::new(doc.raw());
        let mut pieces = step.pieces.iter().peekable();
        self.answer.texts(doc.root(), &mut |string, nested| {
            let raw = string.inner_raw().as_bytes();
            // Both come in document order.
            let at = string.range().start;
            while pieces
                .next_if(|(_, piece)| piece.range().start < at)
                .is_some()
            {}
            let piece = pieces.next_if(|(_, piece)| piece.range().start == at);
            let Some(&(channel, _)) = piece else {
                return splice.put(string.inner(), &tokens.unmask(raw, escaping(nested)));
            };
            let text = self.open.entry(channel).or_insert_with(|| Text {
                pieces: Pieces::new(escaping(channel.nested)),
                event: None,
            });
            // A text may come in several pieces of one event; only the last can be its end.
            let goes_on = pieces.peek().is_some_and(|(next, _)| *next == channel);
            let full = self.holding.len() >= MOST && !self.holding.contains(&channel);
            let piece = match ends(channel) && !goes_on || full {
                true => text.pieces.finish(tokens, raw),
                false => text.pieces.push(tokens, raw),
            };
            splice.put(string.inner(), &piece);
            if text.pieces.is_holding() {
                let event = (stream.piece)(channel, doc.root(), string);
                let name = event.name.or(name).map(str::to_owned);
                text.event = Some((event, name));
                self.holding.insert(channel);
            } else {
                self.holding.remove(&channel);
            }
        });
        if !step.ends.is_empty() {
            self.open.retain(|&channel, _| !step.ends(channel));
        }
        splice.finish()
    }

    /// What is held of the texts that end, each in an event of our own.
    fn end_those(&mut self, tokens: &Tokens, ends: impl Fn(Channel) -> bool) {
        for channel in self.holding.extract_if(.., |&channel| ends(channel)) {
            let Some(text) = self.open.get_mut(&channel) else {
                continue;
            };
            let Some((event, name)) = &text.event else {
                continue;
            };
            let [head, tail] = &event.data;
            let rest = text.pieces.finish(tokens, b"");
            self.owed.push(Owed {
                name: name.clone(),
                data: [head.as_bytes(), &rest, tail.as_bytes()].concat(),
            });
        }
    }
}
