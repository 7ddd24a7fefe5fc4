//! Germany.

use super::{digits, letters, values};
use crate::mask::detector::{
    Profile,
    checksum::{is_day, mod_11_10, number, weighted},
    row::Row,
};

/// One row a kind of number.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\b\d{2}[ ]?\d{3}[ ]?\d{3}[ ]?\d{3}"],
        check: |site| digits(site, |id: &[u8; 11]| mod_11_10(id)),
        context: &["steuer", "tax", "idnr", "tin"],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &[
            "Steuer-Identifikationsnummer »02476291358«",
            "Meine Steuer-ID: »12345678903«.",
            "»12 345 678 903«",
        ],
        misses: &["steuer 02476291357", "order 12345678903"],
        ..Row::new("de_tax_id", "DE_TAX_ID")
    },
    Row {
        patterns: &[r"\b\d{2,3}/\d{3,4}/\d{4,5}", r"\b\d{13}"],
        check: |site| {
            let text = site.bytes(site.all.clone());
            let state = number(&values::<2>(text));
            (text.contains(&b'/') || matches!(state, 1..=16) && !site.is_alone())
                .then(|| site.all.clone())
        },
        context: &["steuernummer", "steuer-nr", "st.-nr", "tax number"],
        profile: Some(Profile::Eu),
        alone: true,
        confidence: 0.75,
        hits: &["Steuernummer: »12/345/67890« und Steuernummer »0981508150999«"],
        misses: &["am 12/345/67890"],
        ..Row::new("de_tax_number", "DE_TAX_NUMBER")
    },
    Row {
        patterns: &[r"(?i)de[ .]?\d{3}[ .]?\d{3}[ .]?\d{3}"],
        check: |site| letters(site, |id: &[u8; 11]| mod_11_10(&values::<9>(&id[2..]))),
        context: &["ust", "vat", "umsatzsteuer", "mwst"],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &["USt-IdNr.: »DE136695976«, »DE 136 695 976«"],
        misses: &["vat DE123456789", "DE136695976 without a word"],
        ..Row::new("de_vat_id", "VAT_ID")
    },
    Row {
        patterns: &[r"\d{4}[01]\d{3}[A-Z]\d{3}"],
        check: |site| letters(site, pension),
        profile: Some(Profile::Eu),
        hits: &["Rentenversicherung »38551285K051«"],
        misses: &["65070803A012 15071349C103"],
        ..Row::new("de_pension_number", "DE_PENSION")
    },
    Row {
        patterns: &[r"[A-Z]\d{9}"],
        check: |site| letters(site, health),
        context: &[
            "kvnr",
            "krankenkasse",
            "krankenversicher",
            "egk",
            "versichertennummer",
        ],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &["Krankenkasse KVNR: »A123456780«", "»A000500015«"],
        misses: &["kvnr A123456787", "part A123456780"],
        ..Row::new("de_health_insurance", "DE_HEALTH_ID")
    },
    Row {
        patterns: &[r"(?i)[cfghjklmnprtvwxyz][0-9cfghjklmnprtvwxyz]{7}\d"],
        check: |site| letters(site, document),
        context: &[
            "ausweis",
            "personalausweis",
            "reisepass",
            "pass-nr",
            "passnummer",
            "passport",
            "id card",
        ],
        profile: Some(Profile::Eu),
        alone: true,
        hits: &[
            "Ausweis Nr. »T22000129« gültig",
            "Pass-Nr.: »C01X00T41«",
            "»l01x00t44«",
        ],
        misses: &["Ausweis L01X00T47", "part T22000129"],
        ..Row::new("de_id_document", "DE_DOCUMENT")
    },
];

/// The birth day may be higher by 50; the letter counts as two digits.
fn pension(id: &[u8; 12]) -> bool {
    let letter = id[8] - b'A' + 1;
    let mut all = [0; 13];
    all[..8].copy_from_slice(&values::<8>(id));
    (all[8], all[9]) = (letter / 10, letter % 10);
    all[10..].copy_from_slice(&values::<3>(&id[9..]));
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = all
        .iter()
        .zip(weights)
        .map(|(&digit, weight)| u32::from(digit) * weight)
        .map(|product| product / 10 + product % 10)
        .sum();
    let day = number(&all[2..4]);
    is_day(
        number(&all[4..6]),
        if day > 31 {
            day.saturating_sub(50)
        } else {
            day
        },
    ) && sum % 10 == u32::from(all[12])
}

/// The letter counts as two digits, then Luhn's weights from the left.
fn health(id: &[u8; 10]) -> bool {
    let letter = id[0] - b'A' + 1;
    let mut all = [0; 10];
    (all[0], all[1]) = (letter / 10, letter % 10);
    all[2..].copy_from_slice(&values::<8>(&id[1..]));
    let sum: u32 = all
        .iter()
        .enumerate()
        .map(|(index, &digit)| u32::from(digit) * (1 + index as u32 % 2))
        .map(|product| product / 10 + product % 10)
        .sum();
    sum % 10 == u32::from(id[9] - b'0')
}

/// Machine-readable documents (ICAO 9303): weights 7, 3, 1, letters from ten on. Cards from before 2010 are T and digits.
fn document(id: &[u8; 9]) -> bool {
    if id[0] == b'T' && id[1..].iter().all(u8::is_ascii_digit) {
        return true;
    }
    let value = |byte: u8| {
        if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'A' + 10
        }
    };
    let all: [u8; 8] = std::array::from_fn(|index| value(id[index]));
    weighted(&all, &[7, 3, 1, 7, 3, 1, 7, 3]) % 10 == u32::from(id[8] - b'0')
}
