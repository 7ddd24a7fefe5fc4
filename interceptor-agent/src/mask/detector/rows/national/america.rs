//! The United States and Canada.

use std::ops::Range;

use super::{digits, stands_apart};
use crate::mask::detector::{
    Profile,
    checksum::{luhn, number, weighted},
    row::{Row, Site},
};

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\b\d{3}[ .-]\d{2}[ .-]\d{4}"],
        check: |site| digits(site, ssn),
        confidence: 0.9,
        hits: &[
            "US SSN »078-05-1120« on the intake form, »078 05 1120«",
            "id,ssn,dob\n17,»078-05-1120«,1980-02-03",
        ],
        misses: &[
            "SSN 666-12-1234 000-12-3456 900-12-3456 078-00-1123 078-05-0000",
            "078-05-1120-1 1-078-05-1120 123-45-6789 111-22-3333",
        ],
        ..Row::new("us_ssn", "US_SSN")
    },
    Row {
        patterns: &[r"\b\d{3}[ .-]?\d{2}[ .-]?\d{4}"],
        check: |site| {
            // Without a checksum, a text that is nothing else has to have separators.
            let meant = site.all.len() > 9 || !site.is_alone();
            loosely(site, ssn).filter(|_| meant)
        },
        context: &[
            "ssn",
            "social security",
            "social_security",
            "socialsecurity",
        ],
        profile: Some(Profile::Us),
        alone: true,
        confidence: 0.85,
        hits: &["ssn »078051120«", "»178-051121«"],
        misses: &["order 078051120 and reference 07805 1120", "ssn 666051120"],
        ..Row::new("us_ssn_unmarked", "US_SSN")
    },
    Row {
        patterns: &[r"\b9\d{2}[ -]?[5-9]\d[ -]?\d{4}"],
        check: |site| loosely(site, itin),
        context: &["itin", "tax", "taxpayer"],
        profile: Some(Profile::Us),
        alone: true,
        hits: &["my tax id »911-70-1234« or itin »911701234«"],
        misses: &["my tax id 911-89-1234", "order 911701234"],
        ..Row::new("us_itin", "US_ITIN")
    },
    Row {
        patterns: &[r"[A-Z]\d{8}", r"\b\d{9}"],
        check: |site| stands_apart(site).then(|| site.all.clone()),
        context: &[
            "us passport",
            "u.s. passport",
            "passport",
            "travel document",
        ],
        profile: None,
        confidence: 0.7,
        hits: &[
            "my travel document is »A12803456«",
            "US passport »912803456«",
        ],
        misses: &["part A12803456", "912803456"],
        ..Row::new("us_passport", "PASSPORT")
    },
    Row {
        patterns: &[r"[A-Z]\d{5,13}", r"\b\d{7,9}"],
        check: |site| stands_apart(site).then(|| site.all.clone()),
        context: &[
            "driver license",
            "driver's license",
            "drivers license",
            "driving license",
            "driver licence",
            "dl number",
            "driver_license",
        ],
        confidence: 0.65,
        hits: &["driver's license »H12234567«"],
        misses: &["part H12234567"],
        ..Row::new("us_driver_license", "DRIVER_LICENCE")
    },
    Row {
        patterns: &[
            r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y]\d{2}",
        ],
        profile: Some(Profile::Us),
        confidence: 0.85,
        hits: &["Patient »1EG4-TE5-MK73« and »1EG4TE5MK73«"],
        misses: &["1BG4-TE5-MK73 1EG4-ZE5-MK73 AEG4-TE5-MK73 1EG4TE5MK734"],
        ..Row::new("us_medicare", "US_MBI")
    },
    Row {
        patterns: &[r"\b[12]\d{3}[ -]?\d{3}[ -]?\d{3}"],
        check: |site| {
            digits(site, |id: &[u8; 10]| {
                let mut all = [8, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                all[5..].copy_from_slice(id);
                luhn(&all)
            })
        },
        context: &["npi", "provider"],
        profile: Some(Profile::Us),
        alone: true,
        hits: &["NPI »1234567893« and NPI »1245319599«"],
        misses: &["npi 3234567893", "at 1234567893"],
        ..Row::new("us_npi", "US_NPI")
    },
    Row {
        patterns: &[r"\b[0-3]\d{3}-?\d{4}-?\d"],
        check: |site| {
            digits(site, |id: &[u8; 9]| {
                weighted(id, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
            })
        },
        context: &["routing", "aba", "rtn"],
        profile: Some(Profile::Us),
        alone: true,
        hits: &["routing number »322271627«", "»3222-7162-7«"],
        misses: &["routing 322271628", "order 322271627"],
        ..Row::new("us_routing", "US_ROUTING")
    },
    Row {
        patterns: &[r"\b\d{8,17}"],
        context: &[
            "bank account",
            "account number",
            "checking",
            "bank_account",
            "acct number",
        ],
        check: |site| stands_apart(site).then(|| site.all.clone()),
        confidence: 0.6,
        profile: None,
        hits: &["my bank account: »9454567876«"],
        misses: &["9454567876"],
        ..Row::new("bank_account", "BANK_ACCOUNT")
    },
    Row {
        patterns: &["(?i)[abcdefghjklmprstux][a-z9][0-9]{7}"],
        check: dea,
        context: &["dea", "certificate", "prescri"],
        profile: Some(Profile::Us),
        alone: true,
        confidence: 0.8,
        hits: &["DEA »BB1388568«"],
        misses: &["The DEA number is BG8207031", "part BB1388568"],
        ..Row::new("us_dea", "US_DEA")
    },
    Row {
        patterns: &[r"\b\d{3}[ -]\d{3}[ -]\d{3}", r"\b\d{9}"],
        check: |site| digits(site, |id: &[u8; 9]| luhn(id)),
        context: &["sin ", "social insurance", "canadian", "nas "],
        alone: true,
        hits: &["my SIN is »130-692-544«", "»435 418 165«"],
        misses: &["my SIN is 435-418-166", "order 130-692-544"],
        ..Row::new("ca_sin", "CA_SIN")
    },
];

/// Never issued: areas 000, 666 and from 900 on, group 00, serial 0000, and numbers that everybody writes: 123-45-6789, and
/// 111-22-3333 with its like.
fn ssn(id: &[u8; 9]) -> bool {
    let (area, group, serial) = (number(&id[..3]), number(&id[3..5]), number(&id[5..]));
    let repeated = |part: &[u8]| part.iter().all(|digit| *digit == part[0]);
    let example =
        number(id) == 123_456_789 || [&id[..3], &id[3..5], &id[5..]].into_iter().all(repeated);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !example
}

fn itin(id: &[u8; 9]) -> bool {
    matches!(number(&id[3..5]), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// As `digits`, where only some groups may be separated.
fn loosely(site: &Site<'_>, valid: fn(&[u8; 9]) -> bool) -> Option<Range<usize>> {
    let (mut id, mut count) = ([0; 9], 0);
    for byte in site
        .bytes(site.all.clone())
        .iter()
        .filter(|byte| byte.is_ascii_digit())
    {
        *id.get_mut(count)? = byte - b'0';
        count += 1;
    }
    (stands_apart(site) && valid(&id)).then(|| site.all.clone())
}

fn dea(site: &Site<'_>) -> Option<Range<usize>> {
    let id = super::values::<7>(&site.bytes(site.all.clone())[2..]);
    let sum = weighted(&id, &[1, 2, 1, 2, 1, 2]);
    (sum % 10 == u32::from(id[6])).then(|| site.all.clone())
}
