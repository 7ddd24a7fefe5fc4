//! Which single addresses are known, how, and until when.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::steering::Source;

/// How long an address is steered after it was last heard of: one too many costs a detour, one too few a client's first try.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Most addresses of each source, half of what the maps hold in all. What anybody can say for nothing makes room by what
/// was said so, and for nothing else.
const QUOTAS: [(Source, usize); 3] = [
    (Source::Overheard, 8 * 1024),
    (Source::Caught, 8 * 1024),
    (Source::Serves, 16 * 1024),
];

/// Until when an address is known, by source.
#[derive(Debug, Default)]
pub(super) struct Book([HashMap<IpAddr, Instant>; QUOTAS.len()]);

impl Book {
    /// Notes an address; what is to be forgotten for it. None where it is known already, by this source or a better one.
    pub(super) fn learn(
        &mut self,
        address: IpAddr,
        source: Source,
        now: Instant,
    ) -> Option<Vec<IpAddr>> {
        let until = now + KEPT;
        let (less, as_good) = self.0.split_at_mut(source as usize);
        if let Some(known) = as_good.iter_mut().find_map(|known| known.get_mut(&address)) {
            *known = until;
            return None;
        }
        for known in less {
            known.remove(&address);
        }
        let known = &mut as_good[0];
        let forgotten = make_room(known, QUOTAS[source as usize].1);
        known.insert(address, until);
        Some(forgotten)
    }

    /// Whether it is known.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|known| known.contains_key(&address))
    }

    /// The best source of an address that is known.
    pub(super) fn source(&self, address: IpAddr) -> Option<Source> {
        let mut known = self.0.iter().zip(QUOTAS);
        known.find_map(|(known, (source, _))| known.contains_key(&address).then_some(source))
    }

    /// Takes one out again.
    pub(super) fn forget(&mut self, address: IpAddr) {
        for known in &mut self.0 {
            known.remove(&address);
        }
    }

    /// Forgets what was not heard of for long.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<IpAddr> {
        let old = |known: &mut HashMap<IpAddr, Instant>| {
            let old = known.extract_if(|_, until| *until < now);
            old.map(|(address, _)| address).collect::<Vec<_>>()
        };
        self.0.iter_mut().flat_map(old).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }
}

/// A sixteenth at a time, the oldest, so that it is not done for each address of a flood.
fn make_room(known: &mut HashMap<IpAddr, Instant>, quota: usize) -> Vec<IpAddr> {
    if known.len() < quota {
        return Vec::new();
    }
    let mut oldest: Vec<_> = known.iter().map(|(a, until)| (*until, *a)).collect();
    oldest.sort_unstable();
    oldest.truncate(quota / 16);
    let forget = |(_, address): (Instant, IpAddr)| {
        known.remove(&address);
        address
    };
    oldest.into_iter().map(forget).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn whoever_forges_answers_or_streams_pushes_out_nothing_better() {
        let (mut book, begun) = (Book::default(), Instant::now());
        book.learn(address(1), Source::Serves, begun);
        book.learn(address(2), Source::Caught, begun);
        book.learn(address(3), Source::Overheard, begun);
        let later = begun + Duration::from_secs(1);
        let mut forgotten = Vec::new();
        for (source, first) in [(Source::Overheard, 1 << 16), (Source::Caught, 2 << 16)] {
            for number in first..first + 20_000 {
                forgotten.extend(book.learn(address(number), source, later).unwrap());
            }
            assert_eq!(book.contains(address(2)), source == Source::Overheard);
        }
        assert!(book.contains(address(1)) && !book.contains(address(3)));
        // What the maps hold is what the book has.
        assert_eq!(book.len(), 40_003 - forgotten.len());
        assert!(book.len() <= 32 * 1024);
        assert!(forgotten.contains(&address(3)) && !forgotten.contains(&address(1)));
    }

    #[test]
    fn an_address_is_known_once_by_the_best_source() {
        let (mut book, begun) = (Book::default(), Instant::now());
        let later = begun + KEPT / 2;
        assert_eq!(
            book.learn(address(1), Source::Overheard, begun),
            Some(vec![])
        );
        assert_eq!(book.learn(address(1), Source::Serves, begun), Some(vec![]));
        assert_eq!(book.len(), 1);
        assert_eq!(book.source(address(1)), Some(Source::Serves));
        // Whoever speaks of it keeps it, and makes it no worse.
        assert_eq!(book.learn(address(1), Source::Caught, later), None);
        assert!(
            book.expire(begun + KEPT + Duration::from_secs(1))
                .is_empty()
        );
        assert_eq!(
            book.expire(later + KEPT + Duration::from_secs(1)),
            [address(1)]
        );
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn quotas_stand_where_they_are_looked_for() {
        for (place, (source, _)) in QUOTAS.into_iter().enumerate() {
            assert_eq!(source as usize, place);
        }
    }
}
