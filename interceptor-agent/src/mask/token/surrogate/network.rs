//! Addresses of networks into a range of their own, so that what shared a prefix shares one.
//!
//! The first bits of an address are numbered in order of first sight. Each group of bits behind them is mapped by the tree of
//! those seen before: as long as two agree, what stands for them agrees, and where they part, that parts. Zero stays zero.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

/// Widths in bits, from the first: of what is numbered, and of the groups behind it.
pub(super) struct Layout {
    block: u32,
    group: u32,
    groups: u32,
}

/// Prefixes from /16 on are kept.
pub(super) const V4: Layout = Layout {
    block: 16,
    group: 8,
    groups: 2,
};
/// Prefixes from /32 on are kept.
pub(super) const V6: Layout = Layout {
    block: 32,
    group: 16,
    groups: 6,
};

/// Twelve bits for the number; the last would reach up to the broadcast address.
const MOST_BLOCKS: u32 = 0xffe;

/// The networks of one request.
#[derive(Clone, Default)]
pub(super) struct Network {
    last: u32,
    blocks: HashMap<u128, u32>,
    /// By the bits before a group: what its values became.
    groups: HashMap<(u32, u128), BTreeMap<u16, u16>>,
}

impl Network {
    /// What stands for an address, written by `named` from all but the first bits; None if that is not free.
    pub fn map(
        &mut self,
        address: u128,
        layout: &Layout,
        named: impl Fn(u128) -> String,
        is_free: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let behind = layout.group * layout.groups;
        let block = address >> behind;
        let number = match self.blocks.get(&block) {
            Some(&number) => number,
            None if self.last == MOST_BLOCKS => return None,
            None => {
                self.last += 1;
                self.blocks.insert(block, self.last);
                self.last
            }
        };
        debug_assert_eq!(address >> behind >> layout.block, 0);
        let mut mapped = u128::from(number);
        for rest in (0..layout.groups).rev() {
            let before = address >> (layout.group * (rest + 1));
            let value =
                (address >> (layout.group * rest)) as u16 & (u16::MAX >> (16 - layout.group));
            let seen = self
                .groups
                .entry((rest, before))
                .or_insert_with(|| BTreeMap::from([(0, 0)]));
            mapped = mapped << layout.group | u128::from(group(seen, value));
        }
        Some(named(mapped)).filter(|name| is_free(name))
    }
}

/// What stands for a value of a group, beside what was `seen`.
fn group(seen: &mut BTreeMap<u16, u16>, value: u16) -> u16 {
    let below = seen.range(..=value).next_back();
    let above = seen
        .range((Bound::Excluded(value), Bound::Unbounded))
        .next();
    // Of sorted numbers, a neighbour shares the longest prefix.
    let nearest = below
        .into_iter()
        .chain(above)
        .min_by_key(|(other, _)| *other ^ value);
    let (&other, &mapped) = nearest.unwrap_or((&0, &0));
    let new = match (other ^ value).checked_ilog2() {
        None => mapped,
        Some(parts) => ((mapped >> parts) ^ 1) << parts,
    };
    seen.insert(value, new);
    new
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn all(addresses: &[u32]) -> Vec<u32> {
        let mut network = Network::default();
        let map = |address: &u32| {
            let named = network.map(u128::from(*address), &V4, |bits| bits.to_string(), |_| true);
            named.unwrap().parse().unwrap()
        };
        addresses.iter().map(map).collect()
    }

    proptest! {
        #[test]
        fn what_shares_a_prefix_shares_one(addresses in prop::collection::vec(prop_oneof![any::<u32>(), 0x0a00_0000u32..0x0a02_0000], 1..40)) {
            let mapped = all(&addresses);
            for (i, a) in addresses.iter().enumerate() {
                prop_assert_eq!(mapped[i].trailing_zeros() >= 8, a.trailing_zeros() >= 8, "/24 stays /24");
                for (j, b) in addresses.iter().enumerate() {
                    let shared = (a ^ b).leading_zeros();
                    if shared >= 16 {
                        prop_assert_eq!((mapped[i] ^ mapped[j]).leading_zeros(), shared);
                    }
                }
            }
            let distinct: HashSet<_> = addresses.iter().collect();
            prop_assert_eq!(mapped.iter().collect::<HashSet<_>>().len(), distinct.len());
            prop_assert_eq!(&all(&addresses[..addresses.len() / 2])[..], &mapped[..addresses.len() / 2], "growth changes nothing");
        }
    }
}
