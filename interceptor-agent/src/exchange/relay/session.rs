//! What is done with each message of a WebSocket. Does no I/O.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{super::mask::ask, Pass, key};
use crate::{
    app::Terms,
    config::PathPolicy,
    json,
    mask::{
        Mode,
        request::{MaskError, Masking, Outcome, Report},
        response::EventUnmasker,
        token::TokenMap,
        unmask::Tokens,
        watch::{Watch, Watching},
    },
    protocol::{Endpoint, has_speech},
    refusal::{Reason, Refusal},
    websocket::Message,
};

/// Most bytes that a session holds of values and of texts that look like tokens, each with 64 beside it: some ten thousand
/// ids. Every message costs what they do.
const HELD: usize = 1 << 20;

/// Both ways of one WebSocket.
pub(super) struct Session<'t> {
    terms: &'t Terms,
    endpoint: &'static Endpoint,
    /// Those of every message so far.
    tokens: Arc<Mutex<Arc<Tokens>>>,
    watching: Option<Watching>,
    limit: usize,
}

impl<'t> Session<'t> {
    /// Puts back at most `limit` bytes into one message.
    pub(super) fn new(terms: &'t Terms, endpoint: &'static Endpoint, limit: usize) -> Self {
        let watching = terms.watch.as_ref().map(Watch::begin);
        let none = Tokens::new(Arc::new(TokenMap::default())).watched(watching.clone());
        Self {
            terms,
            endpoint,
            tokens: Arc::new(Mutex::new(Arc::new(none))),
            watching,
            limit,
        }
    }

    /// What is seen in what comes down.
    pub(super) fn watching(&self) -> Option<&Watching> {
        self.watching.as_ref()
    }

    pub(super) fn up(&self) -> Up<'t> {
        Up {
            terms: self.terms,
            endpoint: self.endpoint,
            masking: self.terms.masker.begin(),
            tokens: Arc::clone(&self.tokens),
            watching: self.watching.clone(),
            answer_limit: self.limit,
            seen: Seen::default(),
        }
    }

    pub(super) fn down(&self) -> Down {
        Down {
            events: EventUnmasker::new(self.endpoint),
            tokens: Arc::clone(&self.tokens),
            bytes: 0,
        }
    }
}

/// What went up.
#[derive(Default)]
pub struct Seen {
    /// Findings of all messages.
    pub report: Report,
    /// Bytes of messages that came from the client.
    pub came: u64,
    /// Bytes of messages that went on.
    pub went: u64,
    /// Time spent masking.
    pub took: Duration,
}

/// From the client to the provider.
pub(super) struct Up<'t> {
    terms: &'t Terms,
    endpoint: &'static Endpoint,
    masking: Masking<'t>,
    tokens: Arc<Mutex<Arc<Tokens>>>,
    watching: Option<Watching>,
    answer_limit: usize,
    pub(super) seen: Seen,
}

impl Pass for Up<'_> {
    async fn pass(&mut self, message: Message) -> Result<Vec<Message>, Refusal> {
        self.ask(&message).await?;
        let started = Instant::now();
        self.seen.came += message.len() as u64;
        let enforces = self.terms.masker.mode() == Mode::Enforce;
        let before = self.masking.held();
        let onward = match self.masked(&message) {
            Err(refusal) if enforces => return Err(refusal),
            // Where nothing is enforced, what can't be read passes as it would without us.
            Err(_) => message,
            Ok(masked) => masked.unwrap_or(message),
        };
        self.seen.report.add(&self.masking.take_report());
        match self.masking.held() {
            held if held > HELD && enforces => return Err(Reason::TooManyValues.into()),
            // Nothing left masked: no token comes back.
            held if held > HELD => self.masking = self.terms.masker.begin(),
            held if held > before && enforces => self.give_tokens(),
            _ => {}
        }
        self.seen.went += onward.len() as u64;
        self.seen.took += started.elapsed();
        Ok(vec![onward])
    }

    fn key(&self) -> Option<[u8; 4]> {
        Some(key())
    }
}

impl Up<'_> {
    /// From here on, what comes down has these.
    fn give_tokens(&self) {
        let tokens = Tokens::new(Arc::new(self.masking.tokens()));
        let tokens = tokens
            .watched(self.watching.clone())
            .limited(self.answer_limit);
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    async fn ask(&mut self, message: &Message) -> Result<(), Refusal> {
        if let Message::Text(text) = message {
            let raw = Bytes::copy_from_slice(text.as_bytes());
            let endpoint = self.endpoint;
            let asked = ask(self.terms, |texts| drop(texts.body(endpoint, &raw))).await?;
            asked.tell(&mut self.masking);
        }
        Ok(())
    }

    /// What goes on instead; `None`: the message as it came.
    fn masked(&mut self, message: &Message) -> Result<Option<Message>, Refusal> {
        match message {
            Message::Text(text) => self.text(text),
            Message::Binary(_) if self.passes_unread() => Ok(None),
            Message::Binary(_) => Err(Refusal::new(Reason::Unreadable, "a binary message")),
            Message::Ping(payload) | Message::Pong(payload) => {
                let text = String::from_utf8_lossy(payload);
                match self.masking.text(&text)? {
                    None => Ok(None),
                    Some(_) => Err(Refusal::new(Reason::Unmaskable, "in a ping or pong")),
                }
            }
            Message::Close(None) => Ok(None),
            Message::Close(Some((code, reason))) => {
                let masked = self.masking.text(reason)?;
                Ok(masked.map(|reason| Message::Close(Some((*code, reason)))))
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<Option<Message>, Refusal> {
        let raw = Bytes::copy_from_slice(text.as_bytes());
        let doc = json::parse(&raw).map_err(MaskError::from)?;
        if has_speech(doc.root()) && !self.passes_unread() {
            return Err(Refusal::new(Reason::Unreadable, "speech"));
        }
        let masked = match self.masking.body(self.endpoint, &raw)? {
            Outcome::Unchanged(_) => return Ok(None),
            Outcome::Masked(masked) => masked.into_bytes(),
        };
        match String::from_utf8(masked.into()) {
            Ok(text) => Ok(Some(Message::Text(text))),
            Err(_) => Err(Reason::Internal.into()),
        }
    }

    fn passes_unread(&self) -> bool {
        self.terms.decisions.unreadable != PathPolicy::Block
    }
}

/// From the provider to the client.
pub(super) struct Down {
    events: EventUnmasker,
    tokens: Arc<Mutex<Arc<Tokens>>>,
    pub(super) bytes: u64,
}

impl Pass for Down {
    async fn pass(&mut self, message: Message) -> Result<Vec<Message>, Refusal> {
        let tokens = Arc::clone(&self.tokens.lock().unwrap_or_else(PoisonError::into_inner));
        let mut onward = Vec::new();
        match message {
            Message::Text(text) => {
                let events = self.events.event(&tokens, text)?;
                onward.extend(events.into_iter().map(Message::Text));
            }
            Message::Close(_) => {
                let events = self.events.end(&tokens)?;
                onward.extend(events.into_iter().map(Message::Text));
                onward.push(message);
            }
            _ => onward.push(message),
        }
        self.bytes += onward
            .iter()
            .map(|message| message.len() as u64)
            .sum::<u64>();
        Ok(onward)
    }

    fn key(&self) -> Option<[u8; 4]> {
        None
    }
}

#[cfg(test)]
mod tests;
