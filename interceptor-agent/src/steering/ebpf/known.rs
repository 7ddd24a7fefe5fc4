//! The addresses that the scope `known-hosts` steers, and the names by which it catches what they miss.

mod book;

use std::{collections::BTreeMap, net::IpAddr, sync::Mutex, time::Instant};

use aya::{
    Ebpf as Object, Pod,
    maps::{
        MapData,
        lpm_trie::{Key, LpmTrie},
    },
};
use interceptor_common::name::{HEAD, TAIL};

use super::{forget_others, gone, has, lock, take};
use crate::{
    config::Cidr,
    steering::{KnownHosts, Source, SteeringError},
};
use book::Book;

/// In the maps: part of the config.
const RANGE: u8 = 1;

/// In the maps: heard of, and how.
const fn kind(source: Source) -> u8 {
    match source {
        Source::Serves => 2,
        Source::Caught => 3,
        Source::Overheard => 4,
    }
}

/// Both sides of it: the kernel's maps, and until when each address stays in them.
pub(super) struct Known(Mutex<Inner>);

struct Inner {
    v4: LpmTrie<MapData, [u8; 4], u8>,
    v6: LpmTrie<MapData, [u8; 16], u8>,
    ends: LpmTrie<MapData, [u8; TAIL], u8>,
    beginnings: LpmTrie<MapData, [u8; HEAD], u8>,
    ranges: Vec<Cidr>,
    book: Book,
}

impl Known {
    /// Goes on with the addresses that an earlier agent learnt.
    pub(super) fn open(object: &mut Object) -> Result<Self, SteeringError> {
        let mut inner = Inner {
            v4: take(object, "KNOWN4")?,
            v6: take(object, "KNOWN6")?,
            ends: take(object, "ENDS")?,
            beginnings: take(object, "BEGINNINGS")?,
            ranges: Vec::new(),
            book: Book::default(),
        };
        let (v4, v6) = (learnt(&inner.v4), learnt(&inner.v6));
        for (address, source) in v4.into_iter().chain(v6) {
            inner.learn(address, source)?;
        }
        Ok(Self(Mutex::new(inner)))
    }

    /// Replaces ranges and names by these.
    pub(super) fn configure(&self, hosts: &KnownHosts) -> Result<(), SteeringError> {
        let mut inner = lock(&self.0);
        let Inner {
            v4,
            v6,
            ends,
            beginnings,
            ranges,
            book,
        } = &mut *inner;
        ranges.clone_from(&hosts.ranges);
        for range in ranges.iter() {
            put(v4, v6, *range, RANGE)?;
        }
        let wanted = |addr, prefix| {
            has(ranges, addr, prefix) || (is_one(addr, prefix) && book.contains(addr))
        };
        forget_others(v4, |addr: [u8; 4], prefix| wanted(addr.into(), prefix))?;
        forget_others(v6, |addr: [u8; 16], prefix| wanted(addr.into(), prefix))?;

        let names = &hosts.names;
        for ((bits, bytes), kind) in &names.ends {
            ends.insert(&Key::new(*bits, *bytes), kind, 0)
                .map_err(SteeringError::load)?;
        }
        for (bits, bytes) in &names.beginnings {
            beginnings
                .insert(&Key::new(*bits, *bytes), 1, 0)
                .map_err(SteeringError::load)?;
        }
        forget_others(ends, |bytes, bits| names.ends.contains_key(&(bits, bytes)))?;
        forget_others(beginnings, |bytes, bits| {
            names.beginnings.contains(&(bits, bytes))
        })
    }

    /// Whether a range or a name is not among those that are there.
    pub(super) fn widens(&self, hosts: &KnownHosts) -> bool {
        let inner = lock(&self.0);
        let (v4, v6) = (entries(&inner.v4), entries(&inner.v6));
        let is_there = |range: &Cidr| {
            let bits = u32::from(range.prefix);
            let kind = match range.addr {
                IpAddr::V4(addr) => v4.get(&(bits, addr.octets())),
                IpAddr::V6(addr) => v6.get(&(bits, addr.octets())),
            };
            kind == Some(&RANGE)
        };
        let (ends, beginnings) = (entries(&inner.ends), entries(&inner.beginnings));
        let names = &hosts.names;
        let ends_are = || {
            names
                .ends
                .iter()
                .all(|(key, kind)| ends.get(key) == Some(kind))
        };
        let beginnings_are = || {
            names
                .beginnings
                .iter()
                .all(|key| beginnings.contains_key(key))
        };
        !(hosts.ranges.iter().all(is_there) && ends_are() && beginnings_are())
    }

    /// Steers an address for as long as it is heard of.
    pub(super) fn learn(&self, address: IpAddr, source: Source) -> Result<(), SteeringError> {
        lock(&self.0).learn(address.to_canonical(), source)
    }

    /// Whether it is steered.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let inner = lock(&self.0);
        inner.book.contains(address.to_canonical())
            || inner.ranges.iter().any(|range| range.contains(address))
    }

    /// Forgets what was not heard of for long. How many addresses and ranges are left.
    pub(super) fn sweep(&self) -> usize {
        let mut inner = lock(&self.0);
        let old = inner.book.expire(Instant::now());
        inner.remove(&old);
        inner.book.len() + inner.ranges.len()
    }
}

impl Inner {
    fn learn(&mut self, address: IpAddr, source: Source) -> Result<(), SteeringError> {
        match self.book.learn(address, source, Instant::now()) {
            Some(forgotten) => self.remove(&forgotten),
            // A stream there went direct: another agent with these maps took it out, whatever the book says.
            None if source == Source::Caught => {}
            None => return Ok(()),
        }
        // A range of one address stays one of the config.
        if has(&self.ranges, address, bits(address)) {
            return Ok(());
        }
        let kind = kind(self.book.source(address).unwrap_or(source));
        put(&mut self.v4, &mut self.v6, one(address), kind)
            .inspect_err(|_| self.book.forget(address))
    }

    /// What stays in a map for an error is steered without need, and nothing else.
    fn remove(&mut self, addresses: &[IpAddr]) {
        for address in addresses {
            if has(&self.ranges, *address, bits(*address)) {
                continue;
            }
            let removed = match address {
                IpAddr::V4(v4) => gone(self.v4.remove(&Key::new(32, v4.octets()))),
                IpAddr::V6(v6) => gone(self.v6.remove(&Key::new(128, v6.octets()))),
            };
            if let Err(error) = removed {
                tracing::warn!(%address, %error, "an address that is old stays steered");
            }
        }
    }
}

/// Single addresses that are in a map because they were heard of.
fn learnt<K: Pod + Ord + Into<IpAddr>>(trie: &LpmTrie<MapData, K, u8>) -> Vec<(IpAddr, Source)> {
    let source = |value| {
        let sources = [Source::Serves, Source::Caught, Source::Overheard];
        sources.into_iter().find(|source| kind(*source) == value)
    };
    let learnt = entries(trie).into_iter();
    let learnt = learnt.filter_map(|((_, key), kind)| Some((key.into(), source(kind)?)));
    learnt.collect()
}

/// What is in a map; an entry that a predecessor takes out meanwhile is none.
fn entries<K: Pod + Ord>(trie: &LpmTrie<MapData, K, u8>) -> BTreeMap<(u32, K), u8> {
    let entries = trie.iter().flatten();
    entries
        .map(|(key, kind)| ((key.prefix_len(), key.data()), kind))
        .collect()
}

fn put(
    v4: &mut LpmTrie<MapData, [u8; 4], u8>,
    v6: &mut LpmTrie<MapData, [u8; 16], u8>,
    range: Cidr,
    kind: u8,
) -> Result<(), SteeringError> {
    let prefix = range.prefix.into();
    match range.addr {
        IpAddr::V4(addr) => v4.insert(&Key::new(prefix, addr.octets()), kind, 0),
        IpAddr::V6(addr) => v6.insert(&Key::new(prefix, addr.octets()), kind, 0),
    }
    .map_err(SteeringError::load)
}

fn one(addr: IpAddr) -> Cidr {
    let prefix = if addr.is_ipv4() { 32 } else { 128 };
    Cidr { addr, prefix }
}

fn bits(address: IpAddr) -> u32 {
    one(address).prefix.into()
}

fn is_one(address: IpAddr, prefix: u32) -> bool {
    bits(address) == prefix
}
