//! A stream of events whose texts go on from event to event, each on a channel of its own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use bytes::BytesMut;

use super::{
    super::unmask::{Escaping, Pieces, Tokens},
    document::{Splice, escaping},
};
use crate::{
    json::{self, Doc},
    protocol::{
        Endpoint,
        response::{self, Channel, PieceEvent, Step},
    },
    sse::{Event, EventTooLong, Events},
};

pub(super) struct EventStream {
    events: Events,
    texts: Texts,
}

impl EventStream {
    pub(super) fn new(endpoint: Endpoint, limit: usize) -> Self {
        Self {
            events: Events::new(limit),
            texts: Texts {
                endpoint,
                open: BTreeMap::new(),
                holding: BTreeSet::new(),
                line_end: b"\n",
            },
        }
    }

    pub(super) fn push(
        &mut self,
        tokens: &Tokens,
        chunk: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), EventTooLong> {
        self.events.push(chunk);
        while let Some(event) = self.events.next_event()? {
            self.texts.event(tokens, event, out);
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, tokens: &Tokens, out: &mut BytesMut) {
        let rest = self.events.rest();
        self.texts.event(tokens, rest, out);
        if !rest.raw().is_empty() && !self.texts.holding.is_empty() {
            out.extend_from_slice(&self.texts.line_end.repeat(2));
        }
        self.texts.end(tokens, out, |_| true);
    }
}

/// The texts that are being streamed.
struct Texts {
    endpoint: Endpoint,
    open: BTreeMap<Channel, Text>,
    /// Those of which something waits for more.
    holding: BTreeSet<Channel>,
    line_end: &'static [u8],
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

    /// Whether the event begins another text behind this one's piece. Clients take the first piece of a block's next
    /// text, a tool call after the content say, for the end of the texts before it.
    fn gives_way(&self, channel: Channel) -> bool {
        self.places.get(&channel) < self.starts.get(&channel.block)
    }
}

struct Text {
    pieces: Pieces,
    /// The event that takes to the client what is held when the text ends; made when something is held first.
    event: Option<PieceEvent>,
}

impl Texts {
    fn event(&mut self, tokens: &Tokens, event: Event<'_>, out: &mut BytesMut) {
        let Some(data) = event.data() else {
            out.extend_from_slice(event.raw());
            return;
        };
        self.line_end = event.line_end();
        if data.trim_ascii() == b"[DONE]" {
            self.end(tokens, out, |_| true);
        }
        let unmasked = match json::parse(&data) {
            Ok(doc) => self.json(tokens, &doc, out),
            Err(_) => tokens.unmask(&data, Escaping::None),
        };
        match unmasked {
            Cow::Borrowed(_) => out.extend_from_slice(event.raw()),
            Cow::Owned(data) => event.write_with(&data, out),
        }
    }

    fn json<'a>(&mut self, tokens: &Tokens, doc: &Doc<'a>, out: &mut BytesMut) -> Cow<'a, [u8]> {
        let mut step = response::step(self.endpoint, doc.root());
        // An empty piece begins no text.
        step.pieces.retain(|(channel, piece)| {
            !piece.inner().is_empty() || self.open.contains_key(channel)
        });
        let order = Order::of(&step, &self.open);
        let ends = |channel| order.gives_way(channel) || step.ends(channel);
        self.end(tokens, out, |channel| {
            !order.places.contains_key(&channel) && ends(channel)
        });

        let mut splice = Splice::new(doc.raw());
        let mut pieces = step.pieces.iter().peekable();
        response::texts(self.endpoint, doc.root(), &mut |string, nested| {
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
            let piece = match ends(channel) {
                true => text.pieces.finish(tokens, raw),
                false => text.pieces.push(tokens, raw),
            };
            splice.put(string.inner(), &piece);
            if !text.pieces.is_holding() {
                self.holding.remove(&channel);
            } else if self.holding.insert(channel) && text.event.is_none() {
                text.event = response::piece_event(self.endpoint, channel, doc.root());
            }
        });
        if !step.ends.is_empty() {
            self.open.retain(|&channel, _| !step.ends(channel));
        }
        splice.finish()
    }

    /// Writes what is held of the texts that end, each in an event of our own.
    fn end(&mut self, tokens: &Tokens, out: &mut BytesMut, ends: impl Fn(Channel) -> bool) {
        for channel in self.holding.extract_if(.., |&channel| ends(channel)) {
            let Some(text) = self.open.get_mut(&channel) else {
                continue;
            };
            let Some(event) = &text.event else {
                continue;
            };
            let [head, tail] = &event.data;
            if let Some(name) = event.name {
                out.extend_from_slice(b"event: ");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(self.line_end);
            }
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&text.pieces.finish(tokens, b""));
            out.extend_from_slice(tail.as_bytes());
            out.extend_from_slice(self.line_end);
            out.extend_from_slice(self.line_end);
        }
    }
}
