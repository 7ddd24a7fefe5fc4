//! Numbers that states give to people and companies, by region. Each has its checksum; where random numbers pass it too
//! often, a row asks for a word beside it, for a text that is nothing else, or for its region's privacy profile.

pub mod america;
pub mod asia;
pub mod europe;
pub mod germany;
pub mod kingdom;
pub mod oceania;

use std::ops::Range;

use crate::mask::detector::row::{Row, Site};

/// Every table of this folder.
pub const ALL: [&[Row]; 6] = [
    america::ROWS,
    asia::ROWS,
    europe::ROWS,
    germany::ROWS,
    kingdom::ROWS,
    oceania::ROWS,
];

/// The match, if its digits are exactly this many, grouped evenly and part of no longer number, and pass a check.
fn digits<const N: usize>(site: &Site<'_>, valid: fn(&[u8; N]) -> bool) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let (mut digits, mut count) = ([0; N], 0);
    let mut separator = None;
    for &byte in text {
        if byte.is_ascii_digit() {
            *digits.get_mut(count)? = byte - b'0';
            count += 1;
        } else if *separator.get_or_insert(byte) != byte {
            return None;
        }
    }
    let varied = digits.iter().any(|digit| *digit != digits[0]);
    let in_row = separator == Some(b' ')
        && (matches!(site.before(2), [b'0'..=b'9', b' '])
            || matches!(site.after(2), [b' ', b'0'..=b'9']));
    (count == N && varied && !in_row && stands_apart(site) && valid(&digits))
        .then(|| site.all.clone())
}

/// Whether a match is no part of a longer number: `1.23`, `12-34`. A comma is what CSV and lists put between numbers: what is
/// searched for here is longer than groups of thousands.
fn stands_apart(site: &Site<'_>) -> bool {
    let before = matches!(
        site.before(2),
        [b'0'..=b'9', b'.' | b'-' | b'/' | b':'] | [_, b'.' | b'+' | b'$'] | [b'.' | b'+' | b'$']
    );
    let after = matches!(
        site.after(2),
        [b'.' | b'-' | b'/' | b':', b'0'..=b'9'] | [b'%', ..]
    );
    !before && !after
}

/// The match, if its letters in upper case and its digits, separators left out, pass a check.
fn letters<const N: usize>(site: &Site<'_>, valid: fn(&[u8; N]) -> bool) -> Option<Range<usize>> {
    let (mut bytes, mut count) = ([0; N], 0);
    for byte in site
        .bytes(site.all.clone())
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
    {
        *bytes.get_mut(count)? = byte.to_ascii_uppercase();
        count += 1;
    }
    (count == N && valid(&bytes)).then(|| site.all.clone())
}

/// Values of ASCII digits; zero for what is none.
fn values<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| match bytes.get(index) {
        Some(byte @ b'0'..=b'9') => byte - b'0',
        _ => 0,
    })
}
