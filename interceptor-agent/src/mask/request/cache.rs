//! What was found in units of text that clients send again, turn after turn: where, and of which class, never the text.
//!
//! A unit's findings depend on its own bytes, and on the values and tokens of the units before it. Both go into the key, an
//! HMAC-like SHA-256 with a secret of this process's own, in which a text stands as its GMAC: nobody who writes texts can
//! make two of them share an entry.

use std::{
    fs::File,
    io::{self, Read as _},
    ops::Range,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use sha2::{Digest as _, Sha256};

use super::{Report, pass::Hit};
use crate::{
    mask::{
        decode::Decoded,
        detector::ClassId,
        token::{Literal, Scheme},
    },
    protocol::schema::Schema,
    recent::Recent,
};

/// Shorter units are looked at as fast as they are looked up.
const LEAST: usize = 512;

/// The name of a unit in its conversation.
pub(super) type Key = [u8; 32];

/// What the units so far have left behind: values, and numbers that are taken.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Past(Key);

/// What a unit did, its places relative to its first byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Values that were replaced, in order.
    pub hits: Vec<Mark>,
    /// Values that were remembered.
    pub learned: Vec<Mark>,
    /// Literals that look like tokens.
    pub reserved: Vec<Literal>,
    /// What was counted.
    pub report: Report,
}

/// Where a value stands, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub range: Range<usize>,
    pub label: usize,
    /// How often its text is decoded.
    pub levels: u8,
    /// What goes around its token.
    pub quote: &'static str,
    /// What its text goes on with.
    pub behind: [u8; 2],
}

/// Units that were seen.
pub(super) struct Cache {
    /// Most bytes that it holds.
    limit: usize,
    units: Mutex<Recent<Key, Arc<Seen>>>,
}

impl Cache {
    /// Holds at most `limit` bytes; with 0, nothing.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            units: Mutex::new(Recent::new(limit, |seen| seen.size())),
        }
    }

    /// Most bytes that it holds.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The key of a unit, if it is worth one: its key's and its value's bytes, behind what came before.
    pub fn key(&self, schema: &'static Schema, past: &Past, parts: [&str; 2]) -> Option<Key> {
        let secret = SECRET.as_ref()?;
        if self.limit == 0 || parts[1].len() < LEAST {
            return None;
        }
        let mut hash = Sha256::new_with_prefix(secret.prefix);
        hash.update(std::ptr::from_ref(schema).addr().to_ne_bytes());
        hash.update(past.0);
        for part in parts {
            hash.update(secret.mac(part)?);
        }
        Some(hash.finalize().into())
    }

    /// What a unit did when it was seen before.
    pub fn get(&self, key: &Key) -> Option<Arc<Seen>> {
        self.units().get(key)
    }

    /// Remembers what units did. Only units of a request that was masked completely may be given.
    pub fn keep(&self, units: impl IntoIterator<Item = (Key, Seen)>) {
        let mut recent = self.units();
        for (key, seen) in units {
            recent.put(key, Arc::new(seen));
        }
    }

    fn units(&self) -> MutexGuard<'_, Recent<Key, Arc<Seen>>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// Before any unit. What is a token to a reader depends on how values are numbered.
    pub fn beginning(scheme: &Scheme) -> Self {
        let scheme = match scheme {
            Scheme::Counted => 0,
            Scheme::Beside => 1,
            Scheme::Keyed(..) => 2,
        };
        Self([scheme; 32])
    }

    /// Adds what a unit leaves behind; a unit without values leaves nothing.
    pub fn add(&mut self, hits: &[Hit], learned: &[Hit], reserved: &[Literal]) {
        if hits.is_empty() && learned.is_empty() && reserved.is_empty() {
            return;
        }
        let mut hash = Sha256::new_with_prefix(self.0);
        for hits in [hits, learned] {
            hash.update((hits.len() as u64).to_ne_bytes());
            for hit in hits {
                hash.update((hit.label as u64).to_ne_bytes());
                hash.update((hit.value.len() as u64).to_ne_bytes());
                hash.update(&hit.value);
                hash.update(hit.behind);
            }
        }
        for literal in reserved {
            match literal {
                Literal::Token(label, number) => {
                    hash.update((*label as u64).to_ne_bytes());
                    hash.update(number.to_ne_bytes());
                }
                Literal::Surrogate(text) => {
                    hash.update(u64::MAX.to_ne_bytes());
                    hash.update((text.len() as u64).to_ne_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        self.0 = hash.finalize().into();
    }
}

impl Seen {
    fn size(&self) -> usize {
        // A map's entry, with the room that the map keeps free.
        let entry = 2 * (size_of::<(Key, Arc<Self>)>() + size_of::<Self>());
        entry
            + size_of::<Mark>() * (self.hits.capacity() + self.learned.capacity())
            + self.reserved.iter().map(size_of_literal).sum::<usize>()
            + size_of::<(ClassId, u32)>() * self.report.findings.capacity()
    }
}

fn size_of_literal(literal: &Literal) -> usize {
    size_of::<Literal>()
        + match literal {
            Literal::Token(..) => 0,
            Literal::Surrogate(text) => text.len(),
        }
}

impl Mark {
    /// The value, from the bytes of its unit.
    pub fn value(&self, unit: &str) -> String {
        let mut value = unit[self.range.clone()].to_owned();
        for _ in 0..self.levels {
            let decoded = Decoded::new(&value);
            if !decoded.is_borrowed() {
                value = decoded.text().to_owned();
            }
        }
        value
    }
}

/// Without randomness nothing is remembered.
static SECRET: LazyLock<Option<Secret>> = LazyLock::new(|| Secret::new().ok());

/// This process's own.
struct Secret {
    prefix: [u8; 64],
    key: LessSafeKey,
}

impl Secret {
    fn new() -> io::Result<Self> {
        let mut random = File::open("/dev/urandom")?;
        let (mut prefix, mut key) = ([0; 64], [0; 32]);
        random.read_exact(&mut prefix)?;
        random.read_exact(&mut key)?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(io::Error::other)?;
        let key = LessSafeKey::new(key);
        Ok(Self { prefix, key })
    }

    /// GMAC (NIST SP 800-38D), with one nonce for all: that would give its key away to whoever saw results. Two texts that
    /// were chosen without it share theirs with a probability of their blocks in 2¹²⁸.
    fn mac(&self, text: &str) -> Option<Tag> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let mac = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(text), &mut []);
        mac.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::anthropic;

    fn key(past: &Past, text: &str) -> Option<Key> {
        Cache::new(1 << 20).key(anthropic::MESSAGES.request, past, ["k", text])
    }

    #[test]
    fn a_key_is_of_the_text_and_of_what_came_before() {
        let text = "x".repeat(LEAST);
        let mut past = Past::default();
        let first = key(&past, &text);
        assert!(first.is_some());
        past.add(&[], &[], &[]);
        assert_eq!(key(&past, &text), first);
        past.add(&[], &[], &[Literal::Token(0, 1)]);
        assert_ne!(key(&past, &text), first);
        assert_ne!(key(&past, &text.replace('x', "y")), first);
        assert_eq!(key(&past, "short"), None);
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let one = Seen::default().size();
        let cache = Cache::new(one * 20);
        let keys: Vec<Key> = (0..100u8).map(|number| [number; 32]).collect();
        for key in &keys {
            cache.keep([(*key, Seen::default())]);
            assert!(
                cache.get(&keys[0]).is_some(),
                "it is asked for all the time"
            );
        }
        let kept = keys.iter().filter(|key| cache.get(key).is_some()).count();
        assert!((5..=20).contains(&kept), "{kept}");
        let none = Cache::new(0);
        none.keep([(keys[0], Seen::default())]);
        assert!(none.get(&keys[0]).is_none());
    }

    #[test]
    fn a_value_is_read_at_its_depth() {
        let mark = |levels| Mark {
            range: 1..9,
            label: 0,
            levels,
            quote: "",
            behind: [0; 2],
        };
        assert_eq!(mark(0).value(r" \\u0041x "), r"\\u0041x");
        assert_eq!(mark(1).value(r" \\u0041x "), r"\u0041x");
        assert_eq!(mark(2).value(r" \\u0041x "), "Ax");
    }
}
