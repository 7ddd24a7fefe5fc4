//! The one pass over a text: a bitmap of three-byte windows, one look-up a byte, that says where a pattern may match.
//!
//! Bytes are folded into 64 classes, so a window is an 18-bit number that shifts along with the text, and the bitmap is 32 KiB.
//! Each pattern is watched at the rarest window that all its matches have; a thousand more patterns add bits, not work per byte.

use std::collections::BTreeSet;

use super::shape::{Set, Shape, contains};

const CLASS_BITS: u32 = 6;
const CLASSES: usize = 1 << CLASS_BITS;
const WINDOW_BITS: u32 = 3 * CLASS_BITS;
const WORDS: usize = 1 << (WINDOW_BITS - 6);

/// Bytes with a class of their own; digits share one, all others (and both ends of the text) share class 0.
const SINGLES: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:@/=+~ ";

const CLASS_OF: [u8; 256] = {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < SINGLES.len() {
        classes[SINGLES[index] as usize] = index as u8 + 1;
        index += 1;
    }
    let mut digit = b'0';
    while digit <= b'9' {
        classes[digit as usize] = SINGLES.len() as u8 + 1;
        digit += 1;
    }
    classes
};

/// How often each byte of `SINGLES` occurs in 10,000 bytes of source code and prose (45 MB of Python and Rust measured).
const SINGLES_FREQUENCY: [u32; 62] = [
    349, 100, 209, 203, 660, 163, 100, 147, 367, 16, 44, 244, 151, 358, 364, 174, 9, 365, 371, 505,
    187, 47, 52, 37, 72, 9, // a–z
    36, 15, 28, 19, 42, 22, 12, 12, 36, 2, 4, 26, 16, 31, 29, 25, 2, 34, 39, 46, 15, 8, 9, 3, 7,
    2, // A–Z
    53, 136, 118, 132, 2, 132, 53, 5, 2, 2181, // the punctuation
];
const DIGIT_FREQUENCY: u32 = 304;
const OTHER_FREQUENCY: u32 = 1200;

/// Compiled windows. A position reported is only a candidate.
pub struct Prefilter {
    bits: Box<[u64; WORDS]>,
    /// Windows set in the words before each one.
    ranks: Box<[u32; WORDS]>,
    /// For each set window, by rank, where its groups start; one more at the end.
    starts: Vec<u32>,
    /// Patterns that ask for the same bytes, window after window.
    groups: Vec<Group>,
    /// Patterns to look at, group after group.
    watching: Vec<u16>,
    /// By pattern, how far the window's last byte is from the start of a match.
    backs: Vec<usize>,
}

/// Patterns of a window that ask for the same two bytes beside it, which are looked at once for all of them.
struct Group {
    probes: [Probe; 2],
    /// Where its patterns end; they start where those of the group before end.
    end: u32,
}

/// One more byte that every match has: where it stands, counted (wrapping) from the window's last byte, and what it may be.
type Probe = (usize, Set);

/// Where a pattern is watched.
struct Watch {
    back: usize,
    probes: [Probe; 2],
}

impl Prefilter {
    /// Compiles the windows of all patterns.
    pub fn new<'s>(shapes: impl Iterator<Item = &'s Shape>) -> Self {
        let watches: Vec<_> = shapes.map(watch).collect();
        let all_probes: BTreeSet<_> = watches.iter().map(|(_, watch)| watch.probes).collect();
        let all_probes = Vec::from_iter(all_probes);
        // Window, probes and pattern in one number each: sorted, they are the table.
        let mut entries = Vec::new();
        for (index, (window, watch)) in watches.iter().enumerate() {
            let probes = all_probes.partition_point(|probes| *probes < watch.probes);
            let rest = (probes << 16 | index) as u64;
            entries.extend(expand(*window).map(|window| (window as u64) << 32 | rest));
        }
        entries.sort_unstable();
        let mut bits = Box::new([0; WORDS]);
        let (mut starts, mut groups, mut watching) = (vec![0], Vec::new(), Vec::new());
        for of_window in entries.chunk_by(|one, next| one >> 32 == next >> 32) {
            let window = (of_window[0] >> 32) as usize;
            bits[window >> 6] |= 1 << (window & 63);
            for group in of_window.chunk_by(|one, next| one >> 16 == next >> 16) {
                watching.extend(group.iter().map(|entry| *entry as u16));
                groups.push(Group {
                    probes: all_probes[(group[0] >> 16) as usize & 0xffff],
                    end: watching.len() as u32,
                });
            }
            starts.push(groups.len() as u32);
        }
        let mut ranks = Box::new([0; WORDS]);
        for word in 1..WORDS {
            ranks[word] = ranks[word - 1] + u64::count_ones(bits[word - 1]);
        }
        Self {
            bits,
            ranks,
            starts,
            groups,
            watching,
            backs: watches.iter().map(|(_, watch)| watch.back).collect(),
        }
    }

    /// Calls back with each pattern that may match in a text and the position at which it would.
    #[inline]
    pub fn run(&self, text: &[u8], mut candidate: impl FnMut(u16, usize)) {
        let mut window = 0u32;
        for (index, &byte) in text.iter().enumerate() {
            window = window << CLASS_BITS | u32::from(CLASS_OF[byte as usize]);
            let at = (window & ((1 << WINDOW_BITS) - 1)) as usize;
            if self.bits[at >> 6] >> (at & 63) & 1 == 1 {
                self.look(at, text, index, &mut candidate);
            }
        }
    }

    /// Calls back with the patterns of a window that ends at a byte.
    #[cold]
    fn look(&self, window: usize, text: &[u8], at: usize, candidate: &mut impl FnMut(u16, usize)) {
        let below = self.bits[window >> 6] & ((1 << (window & 63)) - 1);
        let rank = (self.ranks[window >> 6] + below.count_ones()) as usize;
        let groups = self.starts[rank] as usize..self.starts[rank + 1] as usize;
        let mut start = match groups.start {
            0 => 0,
            first => self.groups[first - 1].end as usize,
        };
        for group in &self.groups[groups] {
            let end = group.end as usize;
            let holds = |(offset, set): Probe| {
                let byte = text.get(at.wrapping_add(offset));
                byte.is_some_and(|&byte| contains(set, byte))
            };
            if group.probes.into_iter().all(holds) {
                for &pattern in &self.watching[start..end] {
                    candidate(pattern, at.wrapping_sub(self.backs[pattern as usize]));
                }
            }
            start = end;
        }
    }
}

/// The window of a pattern that is rarest in ordinary text, and the rarest byte beside it.
///
/// # Panics
/// When a pattern is too short to have a window; a test compiles every one.
fn watch(shape: &Shape) -> ([u64; 3], Watch) {
    let sets = shape.heads();
    let heads: Vec<u64> = sets.iter().copied().map(classes).collect();
    let weights: Vec<u64> = heads.iter().copied().map(frequency).collect();
    let (window, last) = if shape.starts_run() {
        ([before_run(heads[0]), heads[0], heads[1]], 1)
    } else {
        let (offset, _) = weights
            .windows(3)
            .enumerate()
            .min_by_key(|(_, weights)| weights.iter().product::<u64>())
            .expect("a pattern has at least three fixed bytes");
        (
            [heads[offset], heads[offset + 1], heads[offset + 2]],
            offset + 2,
        )
    };
    // Of equals those that patterns share: behind the end of most numbers, and behind that of years.
    let rarest = |near: usize, but: usize| {
        (0..heads.len())
            .filter(|&offset| offset != but && (offset > last || offset + 2 < last))
            .min_by_key(|&offset| (weights[offset], offset.abs_diff(near)))
            .unwrap_or(last)
    };
    let first = rarest(8, usize::MAX);
    let probe = |offset: usize| (offset.wrapping_sub(last), sets[offset]);
    let probes = [probe(first), probe(rarest(5, first))];
    (window, Watch { back: last, probes })
}

/// What a run may start after: of letters only those that end an escape (`\n`, `%3D`), or every hexadecimal digest would
/// be full of candidates.
fn before_run(run: u64) -> u64 {
    let letters = (b'a'..=b'z')
        .chain(b'A'..=b'Z')
        .filter(|byte| !b"nrtABCDEF".contains(byte));
    letters.fold(!run, |set, byte| set & !(1 << CLASS_OF[byte as usize]))
}

fn classes(set: Set) -> u64 {
    (0..128u8)
        .filter(|&byte| contains(set, byte))
        .fold(0, |classes, byte| classes | 1 << CLASS_OF[byte as usize])
}

fn frequency(classes: u64) -> u64 {
    let of_class = |class: usize| match class {
        0 => OTHER_FREQUENCY,
        _ => SINGLES_FREQUENCY
            .get(class - 1)
            .copied()
            .unwrap_or(DIGIT_FREQUENCY),
    };
    (0..CLASSES)
        .filter(|class| classes >> class & 1 == 1)
        .map(|class| u64::from(of_class(class)))
        .sum()
}

fn expand([first, second, third]: [u64; 3]) -> impl Iterator<Item = usize> {
    let members = |set: u64| (0..CLASSES).filter(move |class| set >> class & 1 == 1);
    members(first).flat_map(move |a| {
        members(second)
            .flat_map(move |b| members(third).map(move |c| (a << CLASS_BITS | b) << CLASS_BITS | c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(patterns: &[&str], text: &str) -> Vec<(u16, usize)> {
        let shapes: Vec<Shape> = patterns.iter().map(|pattern| Shape::new(pattern)).collect();
        let mut found = Vec::new();
        Prefilter::new(shapes.iter()).run(text.as_bytes(), |pattern, at| found.push((pattern, at)));
        found
    }

    #[test]
    fn every_place_where_a_pattern_matches_is_a_candidate() {
        assert_eq!(
            candidates(&["vpc-", "sk-[a-z]+"], "a vpc-1 and sk-x"),
            vec![(0, 2), (1, 12)]
        );
    }

    #[test]
    fn a_run_is_reported_where_it_starts() {
        assert_eq!(
            candidates(&[r"\b\d{2}"], "1234, 5, x89 and \\n67"),
            vec![(0, 0), (0, 19)]
        );
    }
}
