//! The one pass over a text: a bitmap of three-byte windows, one look-up a byte, that says where a pattern may match.
//!
//! Bytes are folded into 64 classes, so a window is an 18-bit number that shifts along with the text, and the bitmap is 32 KiB.
//! Each pattern is watched at the rarest window that all its matches have; a thousand more patterns add bits, not work per byte.

use std::collections::BTreeMap;

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
    /// For each set window, by rank, where its patterns start; one more at the end.
    starts: Vec<u32>,
    /// Patterns to look at, window after window.
    watching: Vec<u16>,
    /// By pattern, in the order given.
    watches: Vec<Watch>,
}

/// Where a pattern is watched.
struct Watch {
    /// How far the window's last byte is from the start of a match.
    back: usize,
    /// One more byte that every match has, looked at first: its offset from the start, and what it may be.
    probe: (usize, Set),
}

impl Prefilter {
    /// Compiles the windows of all patterns.
    pub fn new<'s>(shapes: impl Iterator<Item = &'s Shape>) -> Self {
        let mut windows: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
        let mut watches = Vec::new();
        for (index, shape) in shapes.enumerate() {
            let (window, watch) = watch(shape);
            watches.push(watch);
            for window in expand(window) {
                windows.entry(window).or_default().push(index as u16);
            }
        }
        let mut bits = Box::new([0; WORDS]);
        let (mut starts, mut watching) = (vec![0], Vec::new());
        for (window, patterns) in windows {
            bits[window >> 6] |= 1 << (window & 63);
            watching.extend(patterns);
            starts.push(watching.len() as u32);
        }
        let mut ranks = Box::new([0; WORDS]);
        for word in 1..WORDS {
            ranks[word] = ranks[word - 1] + u64::count_ones(bits[word - 1]);
        }
        Self {
            bits,
            ranks,
            starts,
            watching,
            watches,
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
                for &pattern in self.watching(at) {
                    let Watch {
                        back,
                        probe: (offset, set),
                    } = self.watches[pattern as usize];
                    let start = index.wrapping_sub(back);
                    if text
                        .get(start.wrapping_add(offset))
                        .is_some_and(|&byte| contains(set, byte))
                    {
                        candidate(pattern, start);
                    }
                }
            }
        }
    }

    #[cold]
    fn watching(&self, window: usize) -> &[u16] {
        let below = self.bits[window >> 6] & ((1 << (window & 63)) - 1);
        let rank = (self.ranks[window >> 6] + below.count_ones()) as usize;
        &self.watching[self.starts[rank] as usize..self.starts[rank + 1] as usize]
    }
}

/// The window of a pattern that is rarest in ordinary text, and the rarest byte beside it.
///
/// # Panics
/// When a pattern is too short to have a window; a test compiles every one.
fn watch(shape: &Shape) -> ([u64; 3], Watch) {
    let sets = shape.heads();
    let heads: Vec<u64> = sets.iter().copied().map(classes).collect();
    let (window, last) = if shape.starts_run() {
        ([before_run(heads[0]), heads[0], heads[1]], 1)
    } else {
        let (offset, window) = heads
            .windows(3)
            .enumerate()
            .min_by_key(|(_, window)| window.iter().map(|&set| frequency(set)).product::<u64>())
            .expect("a pattern has at least three fixed bytes");
        ([window[0], window[1], window[2]], offset + 2)
    };
    // Of equals the farthest: runs end before it.
    let probe = (0..heads.len())
        .rev()
        .filter(|&offset| offset > last || offset + 2 < last)
        .min_by_key(|&offset| frequency(heads[offset]))
        .unwrap_or(last);
    (
        window,
        Watch {
            back: last,
            probe: (probe, sets[probe]),
        },
    )
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
