//! Names of LLM hosts as the kernel looks a ClientHello's name up: by what they end and begin with, see
//! [`interceptor_common::name`]. It may take another name for one of theirs, and never one of theirs for another.

use std::collections::{BTreeMap, BTreeSet};

use interceptor_common::name::{ENDS_SO, ENDS_SO_AND_BEGINS, HEAD, TAIL};

use crate::hosts::Hosts;

/// A key of a longest-prefix trie: how many bits count, and the bytes, zeros behind them.
pub type Key<const N: usize> = (u32, [u8; N]);

/// The entries of both tries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// What names end with, reversed.
    pub ends: BTreeMap<Key<TAIL>, u8>,
    /// What names begin with, where the end says that it matters.
    pub beginnings: BTreeSet<Key<HEAD>>,
}

impl Names {
    /// Every name and pattern of these hosts.
    pub fn of(hosts: &Hosts) -> Self {
        let mut names = Self::default();
        for host in hosts.iter() {
            let (before, after, kind) = match host.pattern.split_once('*') {
                // The zero stands for the name's beginning: nothing comes before an exact one.
                None => (None, format!("\0{}", host.pattern), ENDS_SO),
                Some(("", after)) => (None, after.to_owned(), ENDS_SO),
                Some((before, after)) => (Some(before), after.to_owned(), ENDS_SO_AND_BEGINS),
            };
            names
                .beginnings
                .extend(before.map(|before| key(before.bytes())));
            let end = names.ends.entry(key(after.bytes().rev())).or_insert(kind);
            *end = kind.min(*end);
        }
        names.let_wide_ones_win();
        names
    }

    /// The kernel takes the longest entry: one that asks for more may not hide a shorter one that doesn't.
    fn let_wide_ones_win(&mut self) {
        let wide: Vec<Key<TAIL>> = self
            .ends
            .iter()
            .filter_map(|(key, kind)| (*kind == ENDS_SO).then_some(*key))
            .collect();
        for ((bits, bytes), kind) in &mut self.ends {
            let is_below = |(wide_bits, wide): &Key<TAIL>| {
                let length = *wide_bits as usize / 8;
                wide_bits <= bits && wide[..length] == bytes[..length]
            };
            if wide.iter().any(is_below) {
                *kind = ENDS_SO;
            }
        }
    }
}

fn key<const N: usize>(text: impl Iterator<Item = u8>) -> Key<N> {
    let (mut bytes, mut length) = ([0; N], 0);
    for (place, byte) in bytes.iter_mut().zip(text) {
        *place = byte;
        length += 1;
    }
    (8 * length, bytes)
}

#[cfg(test)]
mod tests;
