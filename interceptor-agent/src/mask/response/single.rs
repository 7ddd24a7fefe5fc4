//! Events that come whole, one by one: the messages of a WebSocket.

use super::{
    super::unmask::{Escaping, Tokens},
    texts::Texts,
};
use crate::{json, protocol::Endpoint};

/// Puts values back into them. What is held of a text goes out in an event of our own, before the one that ends it.
pub struct EventUnmasker(Texts);

impl EventUnmasker {
    /// For events that answer `endpoint`.
    pub fn new(endpoint: &'static Endpoint) -> Self {
        Self(Texts::new(endpoint.answer))
    }

    /// What the client gets for one event.
    pub fn event(&mut self, tokens: &Tokens, event: String) -> Vec<String> {
        let unmasked = match json::parse(event.as_bytes()) {
            Ok(doc) => self.0.event(tokens, &doc, None),
            Err(_) => tokens.unmask(event.as_bytes(), Escaping::None),
        };
        let last = String::from_utf8_lossy(&unmasked).into_owned();
        let mut events = self.owed();
        events.push(last);
        events
    }

    /// What is left when no more events come.
    pub fn end(&mut self, tokens: &Tokens) -> Vec<String> {
        self.0.end(tokens);
        self.owed()
    }

    fn owed(&mut self) -> Vec<String> {
        let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
        self.0.owed().map(|owed| text(owed.data)).collect()
    }
}
