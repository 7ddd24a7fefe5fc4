//! Host names as keys of longest-prefix tries: what a name ends with is what its reversed form begins with.
//!
//! Only the last [`TAIL`] bytes of a name count, and the first [`HEAD`] of a pattern with a `*` in the middle: longer ones
//! are cut, which makes them match more. Who decides looks at the whole name again.

/// Bytes of a name's end that are looked at.
pub const TAIL: usize = 64;

/// Bytes of a name's beginning that are looked at.
pub const HEAD: usize = 16;

/// In the trie of name ends: whatever ends so is meant.
pub const ENDS_SO: u8 = 1;

/// In the trie of name ends: what ends so is meant if it also begins as one of the trie of beginnings.
pub const ENDS_SO_AND_BEGINS: u8 = 2;

/// The last bytes of a name in lower case, last one first, followed by zeros: `window` holds the [`TAIL`] bytes up to the
/// name's end, of which the last `length` are the name's.
#[inline(always)]
pub fn reversed(window: [u8; TAIL], length: u32) -> [u8; TAIL] {
    let mut reversed = [0; TAIL];
    let mut at = 0;
    while at < TAIL {
        let mut word = lower_case(u64::from_be_bytes(word(&window, TAIL - 8 - at)));
        // The byte that comes first here is the lowest: those past the name are the highest.
        let rest = length.saturating_sub(at as u32);
        if rest < 8 {
            word &= (1_u64 << (8 * rest)) - 1;
        }
        put(&mut reversed, at, word.to_le_bytes());
        at += 8;
    }
    reversed
}

/// The first bytes of a name in lower case.
#[inline(always)]
pub fn beginning(mut head: [u8; HEAD]) -> [u8; HEAD] {
    let mut at = 0;
    while at < HEAD {
        let word = lower_case(u64::from_be_bytes(word(&head, at)));
        put(&mut head, at, word.to_be_bytes());
        at += 8;
    }
    head
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    word
}

#[inline(always)]
fn put(bytes: &mut [u8], at: usize, word: [u8; 8]) {
    bytes[at..at + 8].copy_from_slice(&word);
}

/// Eight ASCII bytes at once: a byte from `A` to `Z` gets the bit 0x20.
#[inline(always)]
const fn lower_case(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let from_a = low + ((0x80 - b'A' as u64) * ONES);
    let past_z = low + ((0x7f - b'Z' as u64) * ONES);
    let upper = (from_a ^ past_z) & !word & (0x80 * ONES);
    word | (upper >> 2)
}
