//! Events that come whole, one by one: the messages of a WebSocket.

use super::{super::unmask::Tokens, UnmaskError, document, texts::Texts};
use crate::protocol::Endpoint;

/// Puts values back into them. What is held of a text goes out in an event of our own, before the one that ends it.
pub struct EventUnmasker(Texts);

impl EventUnmasker {
    /// For events that answer `endpoint`.
    pub fn new(endpoint: &'static Endpoint) -> Self {
        Self(Texts::new(endpoint.answer))
    }

    /// What the client gets for one event.
    ///
    /// # Errors
    /// For JSON of more than we read; nothing of it may be passed.
    pub fn event(&mut self, tokens: &Tokens, event: String) -> Result<Vec<String>, UnmaskError> {
        let unmasked = match document::read(event.as_bytes())? {
            Some(doc) => self.0.event(tokens, &doc, None),
            None => document::unmask_text(tokens, event.as_bytes()),
        };
        let last = String::from_utf8_lossy(&unmasked).into_owned();
        let mut events = self.owed();
        events.push(last);
        Ok(events)
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
