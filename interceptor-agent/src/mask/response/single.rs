//! Events that come whole, one by one: the messages of a WebSocket.

use super::{super::unmask::Tokens, UnmaskError, document, judge, texts::Texts};
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
    /// For JSON of more than we read, for more values than [`Tokens::limited`] lets be put back, or for what policy blocks;
    /// nothing of it may be passed.
    pub fn event(&mut self, tokens: &Tokens, event: String) -> Result<Vec<String>, UnmaskError> {
        tokens.clear();
        let unmasked = match document::read(event.as_bytes())? {
            Some(doc) => self.0.event(tokens, &doc, None),
            None => document::unmask_text(tokens, event.as_bytes()),
        };
        let last = String::from_utf8_lossy(&unmasked).into_owned();
        let mut events = self.owed();
        events.push(last);
        judge(tokens)?;
        Ok(events)
    }

    /// What is left when no more events come.
    ///
    /// # Errors
    /// As for [`EventUnmasker::event`].
    pub fn end(&mut self, tokens: &Tokens) -> Result<Vec<String>, UnmaskError> {
        tokens.clear();
        self.0.end(tokens);
        judge(tokens)?;
        Ok(self.owed())
    }

    fn owed(&mut self) -> Vec<String> {
        let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
        self.0.owed().map(|owed| text(owed.data)).collect()
    }
}
