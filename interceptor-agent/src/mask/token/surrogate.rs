//! Stand-ins that keep their value's shape, where a schema or a program asks for it: an address stays an address, an id
//! keeps its pattern.
//!
//! | value | surrogate |
//! |---|---|
//! | IPv4 | in 240.0.0.0/4 (RFC 1112 §4), which no network uses |
//! | IPv6 | in 3fff::/20, set aside for documentation (RFC 9637) |
//! | `i-0abc…`, 8 or 17 hex digits | `i-00000000000000001` |
//! | 12 digits | `900000000001` |
//! | MAC address | `02:00:00:00:00:01`, locally administered, with the value's own separators |
//! | UUID | `00000000-0000-4000-8000-000000000001` |
//! | mail address | `mail-001@masked.invalid` (RFC 6761 §6.4) |
//!
//! What has another shape, or is written in an unusual way, has none.

mod network;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
    sync::LazyLock,
};

use super::numbering::ENTRY;
use network::Network;
use regex::{Captures, Regex};

/// The surrogates of one request.
#[derive(Clone, Default)]
pub(super) struct Surrogates {
    v4: Network,
    v6: Network,
    /// The last number of each other shape.
    last: BTreeMap<String, u64>,
    of_value: HashMap<String, String>,
    /// From surrogate to value.
    values: BTreeMap<String, String>,
    /// Texts of the request that look like a surrogate, and keep their own meaning.
    literals: HashSet<Box<str>>,
    held: usize,
}

impl Surrogates {
    /// Whether this text was handed out for a value.
    pub fn is_taken(&self, text: &str) -> bool {
        self.values.contains_key(text)
    }

    /// Keeps a text that is not taken from ever being handed out.
    pub fn reserve(&mut self, text: &str) {
        if self.literals.insert(text.into()) {
            self.held += ENTRY + text.len();
        }
    }

    /// The surrogate of a value: the one it has, or the next. None where it has no shape that is known, or where all are taken.
    pub fn of(&mut self, value: &str) -> Option<String> {
        if let Some(known) = self.of_value.get(value) {
            return Some(known.clone());
        }
        let surrogate = self.next(value)?;
        self.held += ENTRY + value.len();
        self.of_value.insert(value.to_owned(), surrogate.clone());
        self.values.insert(surrogate.clone(), value.to_owned());
        Some(surrogate)
    }

    /// What it holds, about, in bytes.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Every surrogate handed out, with its value.
    pub fn into_pairs(self) -> impl Iterator<Item = (String, String)> {
        self.values.into_iter()
    }

    fn next(&mut self, value: &str) -> Option<String> {
        let literals = &self.literals;
        let is_free = |text: &str| !literals.contains(text);
        if let Some(address) = canonical::<Ipv4Addr>(value) {
            let named = |bits: u128| Ipv4Addr::from_bits(0xf000_0000 | bits as u32).to_string();
            return self
                .v4
                .map(u128::from(address.to_bits()), &network::V4, named, is_free);
        }
        if let Some(address) = canonical::<Ipv6Addr>(value) {
            let named = |bits: u128| Ipv6Addr::from_bits(0x3fff << 112 | bits).to_string();
            return self.v6.map(address.to_bits(), &network::V6, named, is_free);
        }
        let shape = SHAPES
            .iter()
            .find_map(|shape| Some((shape, shape.value.captures(value)?)));
        let (shape, captures) = shape?;
        let last = self.last.entry((shape.family)(&captures)).or_default();
        while *last < shape.most {
            *last += 1;
            let text = (shape.write)(&captures, *last);
            if is_free(&text) {
                return Some(text);
            }
        }
        None
    }
}

/// An address, if this is how it is usually written.
fn canonical<A: std::str::FromStr + ToString>(text: &str) -> Option<A> {
    let address: A = text.parse().ok()?;
    (address.to_string() == text).then_some(address)
}

/// A shape in which surrogates are numbered.
struct Shape {
    /// All of a value.
    value: Regex,
    /// Values of one family share the numbers.
    family: fn(&Captures<'_>) -> String,
    write: fn(&Captures<'_>, u64) -> String,
    most: u64,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let shape = |value: &str, family, write, most| {
        Regex::new(&format!("^(?:{value})$"))
            .map(|value| Shape {
                value,
                family,
                write,
                most,
            })
            .ok()
    };
    let shapes = [
        shape(
            "([a-z]{1,12})-([0-9a-f]{8}(?:[0-9a-f]{9})?)",
            |id| format!("{}-{}", &id[1], id[2].len()),
            |id, number| format!("{}-{number:0width$}", &id[1], width = id[2].len()),
            99_999_999,
        ),
        shape(
            "[0-9]{12}",
            |_| "digits".to_owned(),
            |_, number| format!("90000{number:07}"),
            9_999_999,
        ),
        shape(
            "[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}[:-]){4}[0-9A-Fa-f]{2}",
            |mac| mac[1].to_owned(),
            |mac, number| {
                let digits = format!("{number:06}");
                ["02", "00", "00", &digits[..2], &digits[2..4], &digits[4..]].join(&mac[1])
            },
            999_999,
        ),
        shape(
            r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
            |_| ".".to_owned(),
            |_, number| format!("0200.{:04}.{:04}", number / 10_000, number % 10_000),
            999_999,
        ),
        shape(
            "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
            |_| "uuid".to_owned(),
            |_, number| format!("00000000-0000-4000-8000-{number:012}"),
            999_999_999_999,
        ),
        shape(
            r"[^\s@]+@[^\s@]+\.[^\s@]+",
            |_| "@".to_owned(),
            |_, number| format!("mail-{number:03}@masked.invalid"),
            u64::MAX,
        ),
    ];
    shapes.into_iter().flatten().collect()
});

/// What every surrogate matches, and little else does.
static LOOKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        r"(?:24[0-9]|25[0-5])\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        // No longer than an address can be: others begin in it, and each is looked at.
        "3fff:[0-9a-f:]{1,34}",
        "[a-z]{1,12}-(?:0{9}[0-9]{8}|[0-9]{8})",
        "90000[0-9]{7}",
        "02(?::00:00(?::[0-9]{2}){3}|-00-00(?:-[0-9]{2}){3})",
        r"0200\.00[0-9]{2}\.[0-9]{4}",
        "00000000-0000-4000-8000-[0-9]{12}",
        r"mail-[0-9]{3,}@masked\.invalid",
    ];
    Regex::new(&forms.join("|")).ok()
});

/// Calls `found` for everything in `text` that could be taken for a surrogate, in order of start.
pub(in crate::mask) fn look_alikes(text: &str, mut found: impl FnMut(Range<usize>)) {
    let Some(looks) = LOOKS.as_ref() else {
        return;
    };
    let mut from = 0;
    while let Some(literal) = looks.find_at(text, from) {
        found(literal.range());
        // Another may begin inside: `245.240.0.0.1`. All that they begin with is ASCII.
        from = literal.start() + 1;
    }
}

/// Whether the whole of `text` has the shape of a surrogate.
pub(super) fn is_surrogate(text: &str) -> bool {
    let mut whole = false;
    look_alikes(text, |range| whole |= range == (0..text.len()));
    whole
}

/// Whether text behind a surrogate makes another value of it: more digits, the next group of an address, the rest of a domain.
/// `None` where that takes more than the `next` characters; zero stands for an end.
pub(in crate::mask) fn goes_on(surrogate: &str, next: [Option<u8>; 2]) -> Option<bool> {
    let first = next[0]?;
    if first.is_ascii_alphanumeric() {
        return Some(true);
    }
    let joins = match first {
        b'.' | b'-' if surrogate.contains('@') => true,
        b'.' | b':' | b'-' => surrogate.bytes().filter(|byte| *byte == first).count() > 1,
        _ => false,
    };
    if !joins {
        return Some(false);
    }
    let second = next[1]?;
    let is_v4 = first == b'.'
        && surrogate
            .bytes()
            .all(|byte| byte == b'.' || byte.is_ascii_digit());
    Some(match is_v4 {
        true => second.is_ascii_digit(),
        false => second.is_ascii_alphanumeric() || second == b':',
    })
}

#[cfg(test)]
mod tests;
