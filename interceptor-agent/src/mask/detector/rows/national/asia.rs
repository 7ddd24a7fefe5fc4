//! Korea, Japan, Singapore, India, Thailand, Turkey.

use std::ops::Range;

use super::{digits, letters, stands_apart, values};
use crate::mask::detector::{
    Profile,
    checksum::{is_day, number, verhoeff, weighted},
    row::{Row, Site},
};

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\b\d{6}-[1-4]\d{6}", r"\b\d{6}[1-4]\d{6}"],
        check: |site| registration(site, 1..=4),
        context: &["rrn", "resident", "주민", "registration number"],
        profile: Some(Profile::Kr),
        alone: true,
        confidence: 0.95,
        hits: &[
            "주민등록번호 »900101-1234568«, RRN »9001011234568«",
            "»900101-1234568«",
            "rrn: 1,»900101-1234568«,1990 and [17,»9001011234568«,3]",
        ],
        misses: &[
            "rrn 900101-1234567 fails the checksum",
            "order 9001011234568",
            "resident 901301-1234568 900101-9234568 900101+1234568",
        ],
        ..Row::new("kr_rrn", "KR_RRN")
    },
    Row {
        patterns: &[r"\b\d{6}-[5-8]\d{6}", r"\b\d{6}[5-8]\d{6}"],
        check: |site| registration(site, 5..=8),
        context: &["frn", "foreign", "alien", "외국인", "registration number"],
        profile: Some(Profile::Kr),
        alone: true,
        hits: &["외국인등록번호 »911124-5678901«", "»050912-6000012«"],
        misses: &["order 911124-5678901", "frn 911324-5678901"],
        ..Row::new("kr_foreigner", "KR_FRN")
    },
    Row {
        patterns: &[r"\b\d{3}-\d{2}-\d{5}", r"\b\d{10}"],
        check: |site| {
            digits(site, |brn: &[u8; 10]| {
                let sum = weighted(brn, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + u32::from(brn[8]) * 5 / 10;
                (10 - sum % 10) % 10 == u32::from(brn[9])
            })
        },
        context: &["brn", "business registration", "사업자"],
        profile: Some(Profile::Kr),
        alone: true,
        hits: &["사업자등록번호 »104-86-56659«", "My BRN is »1048656659«"],
        misses: &["brn 104-86-56658", "order 1048656659"],
        ..Row::new("kr_business", "KR_BRN")
    },
    Row {
        patterns: &["(?i)[msrod][0-9]{3}[0-9a-z][0-9]{4}"],
        context: &["passport", "여권"],
        profile: Some(Profile::Kr),
        alone: true,
        confidence: 0.8,
        hits: &["여권 »M123A4567«", "My old passport »M12345678«"],
        misses: &["part M123A4567", "passport M123AB567 MM123A4567 M123456789"],
        ..Row::new("kr_passport", "PASSPORT")
    },
    Row {
        patterns: &[r"\b[12]\d[ -]?\d{2}[ -]?\d{6}[ -]?\d{2}"],
        check: |site| {
            // Without a checksum, a text that is nothing else has to have the hyphens.
            let meant = site.all.len() > 12 || !site.is_alone();
            digits(site, |id: &[u8; 12]| (11..=28).contains(&number(&id[..2]))).filter(|_| meant)
        },
        context: &["licen", "driver", "운전면허", "면허"],
        profile: Some(Profile::Kr),
        alone: true,
        confidence: 0.8,
        hits: &["운전면허번호 »11-22-123456-12«"],
        misses: &[
            "licence 11-22-123456-123 11-22-123456-1",
            "order 11-22-123456-12",
        ],
        ..Row::new("kr_driver_licence", "DRIVER_LICENCE")
    },
    Row {
        patterns: &[r"\b\d{12}", r"\b\d{4}[ -]\d{4}[ -]\d{4}"],
        check: |site| {
            digits(site, |id: &[u8; 12]| {
                let sum = weighted(id, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
                let check = if sum <= 1 { 0 } else { 11 - sum };
                check == u32::from(id[11])
            })
        },
        context: &[
            "my number",
            "mynumber",
            "my_number",
            "マイナンバー",
            "個人番号",
            "individual number",
        ],
        profile: Some(Profile::Jp),
        alone: true,
        hits: &[
            "Japan My Number »123456789018«",
            "個人番号: »1234-5678-9018«",
        ],
        misses: &["my number 123456789010", "order 123456789018"],
        ..Row::new("jp_my_number", "JP_MY_NUMBER")
    },
    Row {
        patterns: &["(?i)[stfgm][0-9]{7}[a-z]"],
        check: |site| letters(site, nric),
        profile: Some(Profile::Sg),
        confidence: 0.9,
        hits: &["Singapore NRIC »S1234567D« on the pass, »F2346401L« »M4332674T«"],
        misses: &["the card S1234567A, X1234567D, S12345678D"],
        ..Row::new("sg_nric", "SG_NRIC")
    },
    Row {
        patterns: &[
            r"\b\d{8}[A-Z]",
            r"\b[12]\d{8}[A-Z]",
            r"[TSR]\d{2}[A-Z]{2}\d{4}[A-Z]",
        ],
        context: &["uen", "entity"],
        profile: Some(Profile::Sg),
        alone: true,
        confidence: 0.8,
        hits: &["UEN »53125226D«, uen »201434292D« and »T16RF0037C«"],
        misses: &["part 53125226D"],
        ..Row::new("sg_uen", "SG_UEN")
    },
    Row {
        patterns: &[r"\b[2-9]\d{3}[ :-]?\d{4}[ :-]?\d{4}"],
        check: |site| digits(site, |id: &[u8; 12]| verhoeff(id)),
        context: &["aadhaar", "aadhar", "uidai", "आधार", "e-kyc", "ekyc"],
        profile: Some(Profile::In),
        alone: true,
        hits: &[
            "India Aadhaar »234567890124«",
            "uidai »2345 6789 0124«",
            "»2345-6789-0124«",
        ],
        misses: &["aadhaar 234567890125", "order 234567890124"],
        ..Row::new("in_aadhaar", "IN_AADHAAR")
    },
    Row {
        patterns: &[r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"],
        profile: Some(Profile::In),
        confidence: 0.85,
        hits: &["My PAN number is »ABBPM4567S« with more"],
        misses: &["ABBXM4567S ABBPM4567 XABBPM4567S"],
        ..Row::new("in_pan", "IN_PAN")
    },
    Row {
        patterns: &[r"[0-3]\d[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]"],
        check: |site| {
            (1..=37)
                .contains(&number(&values::<2>(site.bytes(site.all.clone()))))
                .then(|| site.all.clone())
        },
        profile: Some(Profile::In),
        hits: &["GSTINs: »27ABCDE1234F1Z5« and »07PQRST6789K1Z2«"],
        misses: &["00ABCDE1234F1Z5 38ABCDE1234F1Z5"],
        ..Row::new("in_gstin", "IN_GSTIN")
    },
    Row {
        patterns: &[r"[A-Z]{3}\d{7}"],
        context: &["voter", "vote", "epic", "election"],
        profile: Some(Profile::In),
        alone: true,
        confidence: 0.8,
        hits: &[
            "my voter: »DBJ2289013«",
            "You can vote with your »CPJ4467918« number",
        ],
        misses: &["part DBJ2289013"],
        ..Row::new("in_voter", "IN_VOTER")
    },
    Row {
        patterns: &[r"[A-PR-WY][1-9]\d{5}[1-9]"],
        context: &["passport", "पासपोर्ट"],
        profile: Some(Profile::In),
        alone: true,
        confidence: 0.75,
        hits: &["passport number: »J6932157«"],
        misses: &["part J6932157"],
        ..Row::new("in_passport", "PASSPORT")
    },
    Row {
        patterns: &[r"\b[1-8]\d{12}", r"\b[1-8]-\d{4}-\d{5}-\d{2}-\d"],
        check: |site| {
            digits(site, |id: &[u8; 13]| {
                let sum = weighted(id, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
                let province = number(&id[1..3]);
                (11 - sum % 11) % 10 == u32::from(id[12])
                    && (10..=96).contains(&province)
                    && !matches!(province, 28 | 29 | 59 | 68 | 69 | 78 | 79 | 87..=89)
            })
        },
        context: &["thai", "tnin", "national id", "ประชาชน"],
        alone: true,
        hits: &["TNIN: »2345678901234«", "»3456789012347«"],
        misses: &["tnin 1234567890123 1294567890124", "at 1234567890121"],
        ..Row::new("th_national_id", "TH_ID")
    },
    Row {
        patterns: &[r"\b[1-9]\d{10}"],
        check: |site| {
            digits(site, |id: &[u8; 11]| {
                let odd = weighted(id, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
                let even = weighted(id, &[0, 1, 0, 1, 0, 1, 0, 1]);
                let tenth = (odd * 7 + 100 - even) % 10;
                tenth == u32::from(id[9]) && weighted(id, &[1; 10]) % 10 == u32::from(id[10])
            })
        },
        context: &["tckn", "kimlik", "türk", "turkish"],
        alone: true,
        hits: &["TCKN numarası »10000000146«"],
        misses: &["kimlik 10000000147", "order 10000000146"],
        ..Row::new("tr_national_id", "TR_ID")
    },
];

/// Birth date, and a first digit that says sex and century. Numbers given since October 2020 have no checksum: those ask for
/// more than that, which a wrong one does as well.
fn registration(site: &Site<'_>, sexes: std::ops::RangeInclusive<u8>) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let mut id = [0u8; 13];
    for (slot, byte) in id
        .iter_mut()
        .zip(text.iter().filter(|byte| byte.is_ascii_digit()))
    {
        *slot = byte - b'0';
    }
    let born = is_day(number(&id[2..4]), number(&id[4..6])) && sexes.contains(&id[6]);
    let sum = weighted(&id, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    // Foreigners' have a checksum that is two higher.
    let shift = if id[6] >= 5 { 13 } else { 11 };
    let checked = (shift - sum % 11) % 10 == u32::from(id[12]);
    let meant = checked || id[6] >= 5 || site.is_alone() || site.has_near(&["주민"]);
    (born && meant && stands_apart(site)).then(|| site.all.clone())
}

fn nric(id: &[u8; 9]) -> bool {
    let sum = weighted(&values::<7>(&id[1..8]), &[2, 7, 6, 5, 4, 3, 2]);
    let (shift, letters) = match id[0] {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        _ => (3, b"XWUTRQPNJLK"),
    };
    letters[((sum + shift) % 11) as usize] == id[8]
}
