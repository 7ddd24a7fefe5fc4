//! Putting values back into text that arrives in pieces; holds back only what may still become a token.
//!
//! Works on the raw bytes at an [`Escaping`] depth, so that what does not change keeps its own escapes and
//! what is held back can go out again as it came.

mod escaping;
mod keyed;
mod room;

use std::{borrow::Cow, mem, sync::Arc};

pub use self::escaping::Escaping;
use self::{keyed::Keyed, room::Room};
use super::{
    detector::starts_word,
    token::{TokenMap, goes_on},
    watch::{Watching, Window},
};

/// The tokens of one exchange, ready to be looked for.
///
/// A surrogate ends where no more of its shape follows (`240.1.1.2.` ends, `240.1.1.2.3` is another). A token counts wherever a detector lets a value start, so that what was masked is put back when the model
/// repeats it: not after a letter or digit, but after an underscore or an escape (`\n`, `%3D`). It is not followed
/// by a digit (`EC2_0010` is another token); letters and underscores may follow, models write `EC2_001s` and
/// `EC2_001_backup`. Each underscore may have a Markdown backslash. The leftmost and longest token wins.
pub struct Tokens {
    map: Arc<TokenMap>,
    /// Sorted, so that a prefix is a range of them.
    names: Vec<Box<str>>,
    /// Bytes that a token begins with.
    first: [bool; 256],
    /// Those, and the backslash that an escape begins with; all others stand for themselves.
    stops: [bool; 256],
    /// Those of other exchanges, where there may be any.
    keyed: Option<Keyed>,
    watching: Option<Watching>,
    room: Room,
}

/// What begins at some place of a text.
enum Found<'t> {
    Nothing,
    /// The text ends before this is decided.
    Perhaps,
    Token {
        value: &'t str,
        length: usize,
    },
}

impl Tokens {
    /// The tokens of `map`; an empty name is no token.
    pub fn new(map: Arc<TokenMap>) -> Self {
        let mut names: Vec<Box<str>> = map
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, _)| name.into())
            .collect();
        names.sort_unstable();
        let mut stops = [false; 256];
        stops[usize::from(b'\\')] = true;
        let mut tokens = Self {
            map,
            names: Vec::new(),
            first: [false; 256],
            stops,
            keyed: None,
            watching: None,
            room: Room::new(usize::MAX),
        };
        names.iter().for_each(|name| tokens.begin(name));
        tokens.names = names;
        tokens
    }

    /// These, and keyed tokens of these labels that other exchanges gave out. What they stand for has to be asked for:
    /// [`Self::take_missing`] says which were seen, [`Self::resolve`] takes the answer.
    #[must_use]
    pub fn with_keyed(mut self, labels: impl Iterator<Item = &'static str>) -> Self {
        let keyed = Keyed::new(labels);
        keyed.labels().for_each(|label| self.begin(label));
        self.keyed = Some(keyed);
        self
    }

    /// These, and somebody who looks at texts before values are put back.
    #[must_use]
    pub fn watched(self, watching: Option<Watching>) -> Self {
        Self { watching, ..self }
    }

    /// These, of whose values at most `limit` bytes are put back between one [`Self::clear`] and the next.
    #[must_use]
    pub fn limited(self, limit: usize) -> Self {
        let room = Room::new(limit);
        Self { room, ..self }
    }

    /// What is put back from here on counts anew.
    pub fn clear(&self) {
        self.room.clear();
    }

    /// The limit, if more was to be put back; from there on tokens stayed.
    pub fn exceeded(&self) -> Option<usize> {
        self.room.exceeded()
    }

    /// Whether there is nothing to put back, and nobody looks.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.keyed.is_none() && self.watching.is_none()
    }

    /// The class of what a text had that ends the answer.
    pub fn blocked(&self) -> Option<&'static str> {
        self.watching.as_ref().and_then(Watching::blocked)
    }

    /// Whether there may be tokens of other exchanges.
    pub fn knows_keyed(&self) -> bool {
        self.keyed.is_some()
    }

    /// Tokens that were seen since the last time and passed over, because it is not known what they stand for.
    pub fn take_missing(&self) -> Vec<String> {
        self.keyed
            .as_ref()
            .map_or_else(Vec::new, Keyed::take_missing)
    }

    /// To be called between two chunks of an answer: what was resolved is forgotten where it is much.
    pub fn tidy(&mut self) {
        if let Some(keyed) = &mut self.keyed {
            keyed.tidy();
        }
    }

    /// What keyed tokens stand for; one without a value stays as it is.
    pub fn resolve(&mut self, found: Vec<(String, Option<String>)>) {
        if let Some(keyed) = &mut self.keyed {
            keyed.resolve(found);
        }
    }

    /// A token may begin as `name` does.
    fn begin(&mut self, name: &str) {
        for first in name.bytes().take(1) {
            (
                self.first[usize::from(first)],
                self.stops[usize::from(first)],
            ) = (true, true);
        }
    }

    /// `raw`, a whole text, with values for tokens; borrowed when it has none.
    pub fn unmask<'r>(&self, raw: &'r [u8], escaping: Escaping) -> Cow<'r, [u8]> {
        let watched = match &self.watching {
            None => Cow::Borrowed(raw),
            Some(watching) => watching.whole(raw, escaping, |text| self.map.value(text).is_some()),
        };
        let before = &mut Before::default();
        match watched {
            Cow::Borrowed(raw) => self.scan(raw, escaping, before, true).0,
            Cow::Owned(raw) => Cow::Owned(self.scan(&raw, escaping, before, true).0.into_owned()),
        }
    }

    /// Replaces tokens up to where `raw` could still become one; also says how much of `raw` that is.
    fn scan<'r>(
        &self,
        raw: &'r [u8],
        escaping: Escaping,
        before: &mut Before,
        last: bool,
    ) -> (Cow<'r, [u8]>, usize) {
        let mut out = Vec::new();
        let (mut at, mut copied) = (0, 0);
        loop {
            let rest = &raw[at..];
            let plain = rest.iter().position(|&byte| self.stops[usize::from(byte)]);
            let plain = plain.unwrap_or(rest.len());
            before.push_all(&rest[..plain]);
            at += plain;
            if at == raw.len() {
                break;
            }
            let Some((byte, length)) = escaping.read(&raw[at..]) else {
                if last {
                    at = raw.len();
                }
                break;
            };
            if self.first[usize::from(byte)] && before.is_boundary() {
                match self.any_at(&raw[at..], escaping, last) {
                    Found::Nothing => {}
                    Found::Perhaps => break,
                    Found::Token { value, length } => {
                        let value = escaping.write(value);
                        if self.room.take(value.len()) {
                            out.extend_from_slice(&raw[copied..at]);
                            out.extend_from_slice(value.as_bytes());
                            at += length;
                            copied = at;
                            before.push(b'0');
                            continue;
                        }
                    }
                }
            }
            before.push(byte);
            at += length;
        }
        if copied == 0 {
            return (Cow::Borrowed(&raw[..at]), at);
        }
        out.extend_from_slice(&raw[copied..at]);
        (Cow::Owned(out), at)
    }

    fn any_at(&self, raw: &[u8], escaping: Escaping, last: bool) -> Found<'_> {
        match (self.token_at(raw, escaping, last), &self.keyed) {
            (Found::Nothing, Some(keyed)) => keyed.token_at(raw, escaping, last),
            (found, _) => found,
        }
    }

    /// Narrows the sorted names byte by byte to those that `raw` begins with.
    fn token_at(&self, raw: &[u8], escaping: Escaping, last: bool) -> Found<'_> {
        let mut names = &self.names[..];
        let mut longest = Found::Nothing;
        let (mut at, mut matched) = (0, 0);
        while let Some(shortest) = names.first() {
            let next = escaping.read(&raw[at..]);
            if next.is_none() && !last {
                return Found::Perhaps;
            }
            let ends_here = match shortest.len() == matched {
                true => ends(shortest, &raw[at..], escaping, last),
                false => Some(false),
            };
            let Some(ends_here) = ends_here else {
                return Found::Perhaps;
            };
            if ends_here {
                longest = Found::Token {
                    value: self.map.value(shortest).unwrap_or_default(),
                    length: at,
                };
            }
            let Some((mut byte, mut length)) = next else {
                break;
            };
            if byte == b'\\' {
                byte = b'_';
                match escaping.read(&raw[at + length..]) {
                    Some((b'_', more)) => length += more,
                    None if !last && !narrow(names, matched, b'_').is_empty() => {
                        return Found::Perhaps;
                    }
                    _ => break,
                }
            }
            names = narrow(names, matched, byte);
            at += length;
            matched += 1;
        }
        longest
    }
}

/// Whether a name ends where `behind` begins; None if that is not all of the text and leaves it open.
fn ends(name: &str, behind: &[u8], escaping: Escaping, last: bool) -> Option<bool> {
    let first = escaping.read(behind);
    let is_token = name.as_bytes()[0].is_ascii_uppercase();
    if is_token {
        return Some(!first.is_some_and(|(byte, _)| byte.is_ascii_digit()));
    }
    let second = first.and_then(|(_, length)| escaping.read(&behind[length..]));
    let next = [first, second].map(|read| read.map_or(last.then_some(0), |(byte, _)| Some(byte)));
    goes_on(name, next).map(|more| !more)
}

/// Those of the sorted `names`, alike up to `at`, that have `byte` there.
fn narrow(names: &[Box<str>], at: usize, byte: u8) -> &[Box<str>] {
    let from = names.partition_point(|name| name.as_bytes().get(at) < Some(&byte));
    let names = &names[from..];
    &names[..names.partition_point(|name| name.as_bytes().get(at) == Some(&byte))]
}

/// The eight characters before a place, the last one lowest; zero where there are none.
#[derive(Clone, Default)]
struct Before(u64);

impl Before {
    fn push(&mut self, byte: u8) {
        self.0 = self.0 << 8 | u64::from(byte);
    }

    fn push_all(&mut self, bytes: &[u8]) {
        for &byte in &bytes[bytes.len().saturating_sub(8)..] {
            self.push(byte);
        }
    }

    fn is_boundary(&self) -> bool {
        let bytes = self.0.to_be_bytes();
        starts_word(&bytes, bytes.len())
    }
}

/// One text that arrives in pieces, cut anywhere: inside a token, an escape or a UTF-8 sequence.
#[derive(Clone)]
pub struct Pieces {
    escaping: Escaping,
    before: Before,
    /// Came in and did not go out yet: the beginning of a token or of an escape.
    held: Vec<u8>,
    /// What is not decided yet, where somebody looks.
    window: Window,
}

impl Pieces {
    /// A text at its beginning.
    pub fn new(escaping: Escaping) -> Self {
        Self {
            escaping,
            before: Before::default(),
            held: Vec::new(),
            window: Window::default(),
        }
    }

    /// Whether something waits for more text.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty() || self.window.is_holding()
    }

    /// What can go out once `raw` has come in. Borrowed when `raw` starts no later than what goes out and has no token;
    /// it may still be shorter than `raw`.
    pub fn push<'r>(&mut self, tokens: &Tokens, raw: &'r [u8]) -> Cow<'r, [u8]> {
        self.take(tokens, raw, false)
    }

    /// What goes out when `raw`, possibly empty, is the end of the text.
    pub fn finish<'r>(&mut self, tokens: &Tokens, raw: &'r [u8]) -> Cow<'r, [u8]> {
        self.take(tokens, raw, true)
    }

    fn take<'r>(&mut self, tokens: &Tokens, raw: &'r [u8], last: bool) -> Cow<'r, [u8]> {
        let Some(watching) = &tokens.watching else {
            return self.put_back(tokens, raw, last);
        };
        let is_ours = |text: &str| tokens.map.value(text).is_some();
        match watching.take(&mut self.window, raw, self.escaping, last, is_ours) {
            Cow::Borrowed(raw) => self.put_back(tokens, raw, last),
            Cow::Owned(raw) => Cow::Owned(self.put_back(tokens, &raw, last).into_owned()),
        }
    }

    fn put_back<'r>(&mut self, tokens: &Tokens, raw: &'r [u8], last: bool) -> Cow<'r, [u8]> {
        if self.held.is_empty() {
            let (out, taken) = tokens.scan(raw, self.escaping, &mut self.before, last);
            self.held.extend_from_slice(&raw[taken..]);
            return out;
        }
        let mut whole = mem::take(&mut self.held);
        whole.extend_from_slice(raw);
        let (out, taken) = tokens.scan(&whole, self.escaping, &mut self.before, last);
        self.held.extend_from_slice(&whole[taken..]);
        Cow::Owned(out.into_owned())
    }
}

#[cfg(test)]
pub(super) mod tests;
