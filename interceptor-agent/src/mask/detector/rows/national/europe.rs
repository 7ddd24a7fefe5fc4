//! The European Union beside Germany, and IBAN.

use std::ops::Range;

use super::{digits, letters, values};
use crate::mask::detector::{
    Profile,
    check::ends_word,
    checksum::{is_day, luhn, mod_97, number, weighted},
    row::{Row, Site},
};

const PASSPORT: &[&str] = &["pasaporte", "passport"];

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[
            r"(?i)[A-Z]{2}\d{2}[A-Z0-9]{11,30}",
            r"(?i)[A-Z]{2}\d{2}[ -][A-Z0-9]{4}[ -][A-Z0-9]{4}[ -][A-Z0-9]{2,4}",
        ],
        check: iban,
        confidence: 0.98,
        hits: &[
            "IBAN »DE89370400440532013000«, »GB82 WEST 1234 5698 7654 32« and »NL91 ABNA 0417 1643 00«.",
            "»DE89-3704-0044-0532-0130-00«, »de89370400440532013000«, »De89 3704 0044 0532 0130 00«, »gb82 west 1234 5698 7654 32«",
        ],
        misses: &[
            "DE89370400440532013001 GB82WEST123456987654 XX89370400440532013000",
            "de89370400440532013000a be14abcdef3a0a41",
        ],
        ..Row::new("iban", "IBAN")
    },
    Row {
        patterns: &[r"\b[12][ ]?\d{2}[ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}"],
        check: |site| {
            digits(site, |id: &[u8; 15]| {
                matches!(number(&id[3..5]), 1..=12 | 20..=42 | 50..=99)
                    && 97 - number(&id[..13]) % 97 == number(&id[13..])
            })
        },
        profile: Some(Profile::Eu),
        hits: &[
            "France NIR »185057800604830« on the carte vitale",
            "»1 85 05 78 006 048 30«",
        ],
        misses: &["reference 185057800604831"],
        ..Row::new("fr_nir", "FR_NIR")
    },
    Row {
        patterns: &[r"\b\d{7,8}-?[A-HJ-NP-TV-Z]"],
        check: |site| dni(site, 0),
        profile: Some(Profile::Eu),
        hits: &["Spain DNI »12345678Z« issued in Madrid, »1111111-G« 7,»12345678Z«,3"],
        misses: &["the document 12345678A, 112345678Z, a12345678Z, 1.38435736E+12"],
        ..Row::new("es_dni", "ES_DNI")
    },
    Row {
        patterns: &[r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]"],
        check: |site| dni(site, 1),
        profile: Some(Profile::Eu),
        hits: &["extranjero es »Y8063915-Z« »X9613851N«"],
        misses: &["W8063915Q X9613851M"],
        ..Row::new("es_nie", "ES_NIE")
    },
    Row {
        patterns: &["(?i)[a-z]{3}[0-9]{6}"],
        // In small letters it is the name of something, if no word says otherwise.
        check: |site| {
            let small = site
                .bytes(site.all.clone())
                .iter()
                .any(u8::is_ascii_lowercase);
            let alone = site.around.are_edges(site.text, &site.all);
            (!small || alone || site.has_near(PASSPORT)).then(|| site.all.clone())
        },
        context: PASSPORT,
        profile: Some(Profile::Eu),
        alone: true,
        confidence: 0.75,
        hits: &["Mi pasaporte es »AAA123456«"],
        misses: &[
            "part AAA123456",
            "pasaporte AAA12345",
            r#"{"a": "iso885910"}"#,
        ],
        ..Row::new("es_passport", "PASSPORT")
    },
    Row {
        patterns: &["(?i)[a-z]{6}[0-9]{2}[abcdehlmprst][0-9]{2}[a-z][0-9]{3}[a-z]"],
        check: |site| letters(site, fiscal_code),
        profile: Some(Profile::Eu),
        hits: &["Italy codice fiscale »RSSMRA85T10A562S« on the modulo"],
        misses: &["the document RSSMRA85T10A562X"],
        ..Row::new("it_fiscal_code", "IT_FISCAL_CODE")
    },
    Row {
        patterns: &[
            "(?i)[a-z]{2}[0-9]{7}",
            "(?i)[a-z]{2}[0-9]{5}[a-z]{2}",
            "(?i)[a-z]{2}[0-9]{7}[a-z]",
            "(?i)u1[0-9a-z]{7}[a-z]",
        ],
        context: &[
            "passaporto",
            "carta d'ident",
            "carta di ident",
            "identity card",
            "patente",
        ],
        profile: Some(Profile::Eu),
        alone: true,
        confidence: 0.75,
        hits: &["passaporto »AA1234567«", "patente »U1K711J11M«"],
        misses: &["part AA1234567", "passaporto AA12345678"],
        ..Row::new("it_document", "IT_DOCUMENT")
    },
    Row {
        patterns: &[r"\b\d{9}", r"\b\d{4}\.\d{2}\.\d{3}"],
        check: |site| {
            digits(site, |id: &[u8; 9]| {
                let sum = weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2]);
                sum % 11 == u32::from(id[8])
            })
        },
        context: &["bsn", "burgerservice", "sofinummer"],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &["Netherlands BSN »111222333« on the formulier"],
        misses: &["bsn 123456789", "order 111222333"],
        ..Row::new("nl_bsn", "NL_BSN")
    },
    Row {
        patterns: &[r"\b\d{11}"],
        check: |site| {
            digits(site, |id: &[u8; 11]| {
                let sum = weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
                (10 - sum % 10) % 10 == u32::from(id[10])
                    && is_day(number(&id[2..4]) % 20, number(&id[4..6]))
            })
        },
        context: &["pesel"],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &["My pesel is »44051401458«.", "»02070803628«"],
        misses: &["pesel 44051401459", "order 44051401458"],
        ..Row::new("pl_pesel", "PL_PESEL")
    },
    Row {
        patterns: &[r"[0-3]\d[01]\d{3}[-+A-FYXWVU]\d{3}[0-9A-FHJ-NPR-Y]"],
        check: hetu,
        profile: Some(Profile::Eu),
        hits: &["My personal identity code is: »010594Y9032«. »131052-308T«"],
        misses: &["111111-111A 310289-211C 012245A110G 131052/308T"],
        ..Row::new("fi_personal_id", "FI_HETU")
    },
    Row {
        patterns: &[r"\b\d{6}[-+]\d{4}", r"\b[12][089]\d{6}-?\d{4}", r"\b\d{10}"],
        check: |site| sweden(site, 1..=12),
        context: &["personnummer", "personal identity", "pnr", "swedish"],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &[
            "pnr »871220-2384«",
            "My personal identity code is: »189110089811«.",
            "»19910924-2397« är mitt pnr.",
        ],
        misses: &["pnr 871220-2385", "at 189110089811"],
        ..Row::new("se_personal_id", "SE_PNR")
    },
    Row {
        patterns: &[r"\b\d{6}-\d{4}", r"\b\d{10}"],
        check: |site| sweden(site, 20..=99),
        context: &[
            "orgnummer",
            "org.nr",
            "organisationsnummer",
            "company identity",
        ],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &["Our company identity code is: »212000-0142«."],
        misses: &["orgnummer 212000-0143", "at 212000-0142"],
        ..Row::new("se_company_id", "SE_ORG")
    },
];

/// Lengths of the IBAN by country (SWIFT's registry).
const IBAN_LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU XK MN"),
    (21, "CH CR HR LI LV"),
    (22, "BG BH DE GB GE IE ME RS"),
    (23, "AE GI IL IQ OM TL SO"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG DZ"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB PL SV NI"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

fn iban(site: &Site<'_>) -> Option<Range<usize>> {
    let text = &site.text[site.all.start..];
    let country = [text[0], text[1]].map(|letter| letter.to_ascii_uppercase());
    let country = std::str::from_utf8(&country).ok()?;
    let &(length, _) = IBAN_LENGTHS
        .iter()
        .find(|(_, countries)| countries.contains(country))?;
    let (mut bytes, mut count, mut at) = ([0; 34], 0, 0);
    while count < length {
        match text.get(at)? {
            byte if byte.is_ascii_alphanumeric() => {
                bytes[count] = *byte;
                count += 1;
            }
            b' ' | b'-' if count % 4 == 0 => {}
            _ => return None,
        }
        at += 1;
    }
    let bytes = &bytes[..length];
    let valid = mod_97(bytes[4..].iter().chain(&bytes[..4]).copied()) == Some(1);
    // Small letters are in ids made at random, too, but not those of a bank before digits alone.
    let small = bytes.iter().any(u8::is_ascii_lowercase);
    let random = || !bytes[8..].iter().all(u8::is_ascii_digit) || !ends_word(text, at);
    (valid && !(small && random())).then(|| site.all.start..site.all.start + at)
}

/// A letter after up to eight digits, of which `prefix` letters count as the first.
fn dni(site: &Site<'_>, prefix: usize) -> Option<Range<usize>> {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let text = site.bytes(site.all.clone());
    let first = if prefix == 1 {
        u32::from(text[0] - b'X')
    } else {
        0
    };
    let number = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(first, |number, byte| number * 10 + u32::from(byte - b'0'));
    let checked = LETTERS[(number % 23) as usize] == *text.last()?;
    (checked && super::stands_apart(site) && site.after(1) != b"+").then(|| site.all.clone())
}

/// Odd places have a table of their own (Decreto Ministeriale 23/12/1976).
fn fiscal_code(code: &[u8; 16]) -> bool {
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
        6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    let place = |byte: u8| {
        if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'A' + 10
        }
    };
    let even = |byte: u8| {
        u32::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'A'
        })
    };
    let sum: u32 = code[..15]
        .iter()
        .enumerate()
        .map(|(index, &byte)| {
            if index % 2 == 0 {
                ODD[place(byte) as usize]
            } else {
                even(byte)
            }
        })
        .sum();
    sum % 26 == u32::from(code[15] - b'A')
}

fn hetu(site: &Site<'_>) -> Option<Range<usize>> {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let text = site.bytes(site.all.clone());
    let (birth, serial) = (values::<6>(text), values::<3>(&text[7..]));
    let rest = (number(&birth) * 1000 + number(&serial)) % 31;
    (is_day(number(&birth[2..4]), number(&birth[..2])) && CHECKS[rest as usize] == text[10])
        .then(|| site.all.clone())
}

/// Ten digits, or twelve with the century, with Luhn's checksum over the last ten; companies have no month.
fn sweden(site: &Site<'_>, months: std::ops::RangeInclusive<u64>) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let (mut id, mut count) = ([0; 12], 0);
    for byte in text.iter().filter(|byte| byte.is_ascii_digit()) {
        *id.get_mut(count)? = byte - b'0';
        count += 1;
    }
    let id = &id[count.checked_sub(10)?..count];
    // Coordination numbers add 60 to the day.
    let day = number(&id[4..6]);
    let month = number(&id[2..4]);
    let dated = months.contains(&month)
        && (month > 12 || is_day(month, if day > 60 { day - 60 } else { day }));
    (dated && luhn(id) && super::stands_apart(site)).then(|| site.all.clone())
}
