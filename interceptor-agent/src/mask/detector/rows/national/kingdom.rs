//! The United Kingdom.

use std::ops::Range;

use super::{digits, letters};
use crate::mask::detector::{
    Profile,
    checksum::{is_day, weighted},
    row::{Row, Site},
};

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[
            r"(?i)[a-ceghj-prstw-z][a-ceghj-nprstw-z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]",
        ],
        check: nino,
        profile: Some(Profile::Uk),
        confidence: 0.85,
        hits: &[
            "UK National Insurance Number »AB123456C« on the P60",
            "nino: »PR 123612C«, »YZ 61 48 68 B«",
            "»tw987654a«",
        ],
        misses: &["the code BG123456C, commit ab123456c, FQ 00 00 00 C"],
        ..Row::new("uk_nino", "UK_NINO")
    },
    Row {
        patterns: &[r"\b\d{3}[ -]?\d{3}[ -]?\d{4}"],
        check: |site| {
            digits(site, |id: &[u8; 10]| {
                let sum = weighted(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
                (11 - sum % 11) % 11 == u32::from(id[9])
            })
        },
        context: &["nhs", "national health"],
        profile: Some(Profile::Uk),
        alone: true,
        hits: &["NHS number »401-023-2137«", "»221 395 1837«"],
        misses: &["nhs 401-023-2138", "call 401-023-2137"],
        ..Row::new("uk_nhs", "UK_NHS")
    },
    Row {
        patterns: &[r"[A-Z9]{5}[0-9]{6}[A-Z9]{2}[A-Z0-9]{3}"],
        check: |site| {
            letters(site, |id: &[u8; 16]| {
                let digit = |index: usize| u64::from(id[index] - b'0');
                let month = digit(6) * 10 + digit(7);
                is_day(
                    if month > 50 { month - 50 } else { month },
                    digit(8) * 10 + digit(9),
                ) && id[0].is_ascii_uppercase()
            })
        },
        profile: Some(Profile::Uk),
        confidence: 0.85,
        hits: &["Licence: »MORGA607054SM9IJ« ok"],
        misses: &["MORGA699054SM9IJ"],
        ..Row::new("uk_driving_licence", "DRIVER_LICENCE")
    },
    Row {
        patterns: &[r"[A-Z]{2}\d{7}", r"\b\d{9}"],
        context: &["uk passport", "british passport", "hm passport"],
        profile: None,
        confidence: 0.75,
        hits: &["UK passport »AB1234567«"],
        misses: &["AB1234567", "123456789"],
        ..Row::new("uk_passport", "PASSPORT")
    },
];

/// Prefixes that are never issued; in small letters and unspaced it looks like a hash, and needs a word beside it.
fn nino(site: &Site<'_>) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let prefix = [text[0].to_ascii_uppercase(), text[1].to_ascii_uppercase()];
    let never = matches!(
        &prefix,
        b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ"
    );
    let blank = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .all(|&byte| byte == b'0');
    let plain = text[0].is_ascii_lowercase() && !text.contains(&b' ');
    let meant = !plain || site.is_alone() || site.has_near(&["nino", "national insurance"]);
    (!never && !blank && meant).then(|| site.all.clone())
}
