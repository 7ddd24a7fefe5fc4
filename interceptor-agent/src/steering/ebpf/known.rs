//! The addresses that the scope `known-hosts` steers, and the names by which it catches what they miss.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use aya::{
    Ebpf as Object, Pod,
    maps::{
        MapData,
        lpm_trie::{Key, LpmTrie},
    },
};
use interceptor_common::name::{HEAD, TAIL};

use super::{forget_others, has, lock, take};
use crate::{
    config::Cidr,
    steering::{KnownHosts, SteeringError},
};

/// How long an address is steered after it was last heard of, at least: one too many costs a detour, one too few a
/// client's first try.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A longer TTL is not believed (RFC 8767 §4).
const LONGEST_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most addresses beside the ranges: a quarter of what the maps hold.
const CAPACITY: usize = 16 * 1024;

/// In the maps: part of the config.
const RANGE: u8 = 1;

/// In the maps: heard of.
const LEARNT: u8 = 2;

/// Both sides of it: the kernel's maps, and until when each address stays in them.
pub(super) struct Known(Mutex<Inner>);

struct Inner {
    v4: LpmTrie<MapData, [u8; 4], u8>,
    v6: LpmTrie<MapData, [u8; 16], u8>,
    ends: LpmTrie<MapData, [u8; TAIL], u8>,
    beginnings: LpmTrie<MapData, [u8; HEAD], u8>,
    ranges: Vec<Cidr>,
    until: HashMap<IpAddr, Instant>,
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
            until: HashMap::new(),
        };
        let until = Instant::now() + KEPT;
        let v4 = learnt(&inner.v4).map(|octets: [u8; 4]| IpAddr::from(octets));
        let v6 = learnt(&inner.v6).map(|octets: [u8; 16]| IpAddr::from(octets));
        inner.until = v4.chain(v6).map(|address| (address, until)).collect();
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
            until,
        } = &mut *inner;
        ranges.clone_from(&hosts.ranges);
        for range in ranges.iter() {
            put(v4, v6, *range, RANGE)?;
        }
        let wanted = |addr, prefix| {
            has(ranges, addr, prefix) || (is_one(addr, prefix) && until.contains_key(&addr))
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
    pub(super) fn widens(&self, hosts: &KnownHosts) -> Result<bool, SteeringError> {
        let inner = lock(&self.0);
        let (v4, v6) = (entries(&inner.v4)?, entries(&inner.v6)?);
        let is_there = |range: &Cidr| {
            let bits = u32::from(range.prefix);
            let kind = match range.addr {
                IpAddr::V4(addr) => v4.get(&(bits, addr.octets())),
                IpAddr::V6(addr) => v6.get(&(bits, addr.octets())),
            };
            kind == Some(&RANGE)
        };
        let (ends, beginnings) = (entries(&inner.ends)?, entries(&inner.beginnings)?);
        let names = &hosts.names;
        Ok(!hosts.ranges.iter().all(is_there)
            || names
                .ends
                .iter()
                .any(|(key, kind)| ends.get(key) != Some(kind))
            || names
                .beginnings
                .iter()
                .any(|key| !beginnings.contains_key(key)))
    }

    /// Steers an address for as long as it is heard of.
    pub(super) fn learn(&self, address: IpAddr, ttl: Duration) -> Result<(), SteeringError> {
        let address = address.to_canonical();
        let mut inner = lock(&self.0);
        let until = Instant::now() + KEPT.max(ttl.min(LONGEST_TTL));
        if let Some(known) = inner.until.get_mut(&address) {
            *known = until.max(*known);
            return Ok(());
        }
        if inner.until.len() >= CAPACITY {
            inner.forget_oldest()?;
        }
        let Inner { v4, v6, ranges, .. } = &mut *inner;
        // A range of one address stays one of the config.
        if !has(ranges, address, bits(address)) {
            put(v4, v6, one(address), LEARNT)?;
        }
        inner.until.insert(address, until);
        Ok(())
    }

    /// Whether it is steered.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let inner = lock(&self.0);
        inner.until.contains_key(&address.to_canonical())
            || inner.ranges.iter().any(|range| range.contains(address))
    }

    /// Forgets what was not heard of for long. How many addresses and ranges are left.
    pub(super) fn sweep(&self) -> usize {
        let (mut inner, now) = (lock(&self.0), Instant::now());
        let old = |(address, until): (&IpAddr, &Instant)| (*until < now).then_some(*address);
        let old: Vec<_> = inner.until.iter().filter_map(old).collect();
        for address in old {
            if let Err(error) = inner.forget(address) {
                tracing::warn!(%address, %error, "an address that is old stays steered");
            }
        }
        inner.until.len() + inner.ranges.len()
    }
}

impl Inner {
    /// A sixteenth at a time, so that it is not done for each address of a flood.
    fn forget_oldest(&mut self) -> Result<(), SteeringError> {
        let mut oldest: Vec<_> = self.until.iter().map(|(a, until)| (*until, *a)).collect();
        oldest.sort_unstable();
        for (_, address) in oldest.into_iter().take(CAPACITY / 16) {
            self.forget(address)?;
        }
        Ok(())
    }

    fn forget(&mut self, address: IpAddr) -> Result<(), SteeringError> {
        self.until.remove(&address);
        if has(&self.ranges, address, bits(address)) {
            return Ok(());
        }
        match address {
            IpAddr::V4(v4) => self.v4.remove(&Key::new(32, v4.octets())),
            IpAddr::V6(v6) => self.v6.remove(&Key::new(128, v6.octets())),
        }
        .map_err(SteeringError::load)
    }
}

fn entries<K: Pod + Ord>(
    trie: &LpmTrie<MapData, K, u8>,
) -> Result<BTreeMap<(u32, K), u8>, SteeringError> {
    let entries = trie.iter().map(|entry| {
        let (key, kind) = entry.map_err(SteeringError::load)?;
        Ok(((key.prefix_len(), key.data()), kind))
    });
    entries.collect()
}

/// Single addresses that are in a map because they were heard of.
fn learnt<K: Pod>(trie: &LpmTrie<MapData, K, u8>) -> impl Iterator<Item = K> {
    trie.iter()
        .flatten()
        .filter(|(_, kind)| *kind == LEARNT)
        .map(|(key, _)| key.data())
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
