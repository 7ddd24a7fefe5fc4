//! Numbers that a seed decides, so that a run can be had again.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// One of a list, by weight.
    pub(super) fn choose<T: Copy>(&mut self, weighted: &[(T, u64)]) -> T {
        let total = weighted.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(total);
        for &(item, weight) in weighted {
            match at.checked_sub(weight) {
                Some(rest) => at = rest,
                None => return item,
            }
        }
        unreachable!("below the sum of all weights")
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_decides_and_weights_count() {
        let list = |seed| -> Vec<u64> {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.below(1000)).collect()
        };
        assert_eq!(list(7), list(7));
        assert_ne!(list(7), list(8));
        let mut random = Random::new(1);
        let often = (0..4000)
            .filter(|_| random.choose(&[('a', 3), ('b', 1)]) == 'a')
            .count();
        assert!((2800..3200).contains(&often), "{often}");
    }
}
