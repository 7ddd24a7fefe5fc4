//! Australia, and South Africa and Nigeria beside it.

use super::digits;
use crate::mask::detector::{
    Profile,
    checksum::{is_day, luhn, number, verhoeff, weighted},
    row::Row,
};

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}"],
        check: |site| {
            digits(site, |id: &[u8; 11]| {
                let sum = weighted(id, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
                (sum - 10).is_multiple_of(89)
            })
        },
        context: &["abn", "australian business"],
        profile: Some(Profile::Au),
        alone: true,
        hits: &["ABN »51 824 753 556«", "»51824753556«"],
        misses: &["abn 52 824 753 556", "order 51824753556"],
        ..Row::new("au_abn", "AU_ABN")
    },
    Row {
        patterns: &[r"\b\d{3} ?\d{3} ?\d{3}"],
        check: |site| {
            digits(site, |id: &[u8; 9]| {
                let sum = weighted(id, &[8, 7, 6, 5, 4, 3, 2, 1]);
                (10 - sum % 10) % 10 == u32::from(id[8])
            })
        },
        context: &["acn", "australian company"],
        profile: Some(Profile::Au),
        alone: true,
        hits: &["ACN »006249976«", "»000 000 019«"],
        misses: &["acn 824 753 557", "order 006249976"],
        ..Row::new("au_acn", "AU_ACN")
    },
    Row {
        patterns: &[r"\b\d{3} ?\d{3} ?\d{3}"],
        check: |site| {
            digits(site, |id: &[u8; 9]| {
                weighted(id, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
            })
        },
        context: &["tfn", "tax file", "australian tax"],
        profile: Some(Profile::Au),
        alone: true,
        hits: &["tax file number »876 543 210«"],
        misses: &["tfn 824 753 557", "order 876 543 210"],
        ..Row::new("au_tfn", "AU_TFN")
    },
    Row {
        patterns: &[r"\b[2-6]\d{3} ?\d{5} ?\d"],
        check: |site| {
            digits(site, |id: &[u8; 10]| {
                weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(id[8])
            })
        },
        context: &["medicare"],
        profile: Some(Profile::Au),
        alone: true,
        hits: &["medicare »2123456701«", "Medicare card »2123 45670 1«"],
        misses: &["medicare 2123258701", "order 2123456701"],
        ..Row::new("au_medicare", "AU_MEDICARE")
    },
    Row {
        patterns: &[r"\b\d{13}"],
        check: |site| {
            digits(site, |id: &[u8; 13]| {
                is_day(number(&id[2..4]), number(&id[4..6])) && id[10] <= 2 && luhn(id)
            })
        },
        context: &[
            "south africa",
            "rsa id",
            "said",
            "refugee id",
            "id number",
            "identity number",
        ],
        alone: true,
        hits: &["My South African ID is »9202201234088«."],
        misses: &["south africa 8001015009086", "at 9202201234088"],
        ..Row::new("za_id", "ZA_ID")
    },
    Row {
        patterns: &[r"\b\d{11}"],
        check: |site| digits(site, |id: &[u8; 11]| verhoeff(id)),
        context: &["nigeria", "nimc", "nin "],
        alone: true,
        hits: &["Nigeria NIN »12345678902«"],
        misses: &["nigeria 12345678901", "order 12345678902"],
        ..Row::new("ng_nin", "NG_NIN")
    },
];
