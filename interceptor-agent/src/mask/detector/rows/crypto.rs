//! Addresses of cryptocurrencies, by their checksums.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::mask::detector::row::{Row, Site};

/// One row a kind of address.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &["[13][1-9A-HJ-NP-Za-km-z]{25,34}"],
        check: |site| base58check(site.bytes(site.all.clone())).then(|| site.all.clone()),
        confidence: 0.98,
        hits: &[
            "pay »16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ« or »3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy«.",
        ],
        misses: &["16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ2 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyY"],
        ..Row::new("bitcoin_address", "CRYPTO")
    },
    Row {
        patterns: &["bc1[02-9ac-hj-np-z]{11,71}", "tb1[02-9ac-hj-np-z]{11,71}"],
        check: bech32,
        confidence: 0.98,
        hits: &["»bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4«"],
        misses: &["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"],
        ..Row::new("bitcoin_segwit_address", "CRYPTO")
    },
    Row {
        patterns: &["0x[0-9A-Fa-f]{40}"],
        entropy: 3.0,
        confidence: 0.9,
        hits: &["to »0x52908400098527886E0F7030069857D2E4169EE7«"],
        misses: &[
            "0x0000000000000000000000000000000000000000 0x52908400098527886E0F7030069857D2E4169EE7a",
        ],
        ..Row::new("ethereum_address", "CRYPTO")
    },
];

/// 25 bytes in base 58, the last four of which are the start of the others' double SHA-256.
fn base58check(text: &[u8]) -> bool {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0u8; 25];
    for letter in text {
        let Some(digit) = ALPHABET.iter().position(|known| known == letter) else {
            return false;
        };
        let mut carry = digit as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let (body, check) = bytes.split_at(21);
    Sha256::digest(Sha256::digest(body))[..4] == *check
}

/// BIP 173 and BIP 350.
fn bech32(site: &Site<'_>) -> Option<Range<usize>> {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let text = site.bytes(site.all.clone());
    let (prefix, data) = (&text[..2], &text[3..]);
    let step = |check: u32, value: u32| {
        let next = (check & 0x1ff_ffff) << 5 ^ value;
        (0..5)
            .filter(|bit| check >> 25 >> bit & 1 == 1)
            .fold(next, |next, bit| next ^ GENERATOR[bit])
    };
    let prefix = prefix
        .iter()
        .map(|byte| u32::from(byte >> 5))
        .chain([0])
        .chain(prefix.iter().map(|byte| u32::from(byte & 31)));
    let mut check = prefix.fold(1, step);
    for letter in data {
        check = step(
            check,
            ALPHABET.iter().position(|known| known == letter)? as u32,
        );
    }
    matches!(check, 1 | 0x2bc8_30a3).then(|| site.all.clone())
}
