//! Payment cards.

use std::ops::Range;

use crate::mask::detector::{
    checksum::luhn,
    row::{Row, Site},
};

/// Numbers of cards.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\b[2-6]\d{3}[ .-]?\d{4}"],
        check: card,
        confidence: 0.9,
        hits: &[
            "card »4111 1111 1111 1111«, »5555-5555-5555-4444« or »371449635398431«",
            "»3714 496353 98431« »30569309025904« \"»4242424242424242«\" »2223.0031.2200.3222«",
            "INSERT INTO orders VALUES (17, »4111111111111111«, 1999);\nimport a\nimport b\nimport c\nimport d\n",
        ],
        misses: &[
            "4111 1111 1111 1112 4111111111111112 123456789012345 4000000000000",
            "0.4111111111111111 4111111111111111.5 id-4111-1111-1111-1111-9 x4111111111111111 4111111111111111ab",
            "7877 4109 7966 7970 7971 25430 4100 7944 7945 7946 4201 4202 4203 4204",
            "2024-01-02 03:04:05 1700000000000 4111 1111-1111 1111 4444444444444444",
        ],
        ..Row::new("payment_card", "CARD")
    },
    Row {
        patterns: &[r"\b1\d{14}"],
        check: |site| {
            let digits: [u8; 15] =
                std::array::from_fn(|index| site.text[site.all.start + index] - b'0');
            luhn(&digits).then(|| site.all.clone())
        },
        context: &["card", "uatp"],
        alone: true,
        confidence: 0.85,
        hits: &["my credit card: »122000000000003«"],
        misses: &["tracking 122000000000003", "card 122000000000004"],
        ..Row::new("travel_card", "CARD")
    },
];

/// How the digits of a card are grouped where they are, longest first.
const GROUPINGS: &[&[usize]] = &[
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 5],
    &[4, 4, 4, 1],
];

fn card(site: &Site<'_>) -> Option<Range<usize>> {
    let text = &site.text[site.all.start..];
    let length = match text.get(4) {
        Some(&separator) if b" -.".contains(&separator) => GROUPINGS
            .iter()
            .find_map(|grouping| grouped(text, separator, grouping))?,
        _ => text
            .iter()
            .take(20)
            .take_while(|byte| byte.is_ascii_digit())
            .count(),
    };
    let (mut digits, mut count) = ([0u8; 19], 0);
    for &digit in text[..length].iter().filter(|byte| byte.is_ascii_digit()) {
        *digits.get_mut(count)? = digit - b'0';
        count += 1;
    }
    let digits = &digits[..count];
    let in_number = matches!(site.before(1), [b'.' | b'-'])
        || matches!(&text[length..], [b'.' | b'-', next, ..] if next.is_ascii_digit());
    let varied = digits.iter().any(|digit| *digit != digits[0]) && !digits.ends_with(&[0; 7]);
    let grouped = length > count;
    let in_table = grouped && (follows_group(site) || digits_ascend(digits));
    // Numbers of other lengths than most cards' need a word.
    let is_number = !grouped
        && !(14..=16).contains(&count)
        && !site.is_alone()
        && !site.has_near(&["card", "visa", "maestro", "unionpay", "credit", "payment"]);
    (!in_number && !in_table && !is_number && varied && issued(digits) && luhn(digits))
        .then(|| site.all.start..site.all.start + length)
}

/// Whether a word of four or five hexadecimal digits stands before, as in a table of characters.
fn follows_group(site: &Site<'_>) -> bool {
    let Some((b' ', before)) = site.before(7).split_last() else {
        return false;
    };
    let is_digit = |byte: &&u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    let digits = before.iter().rev().take_while(is_digit).count();
    let word = &before[before.len() - digits..];
    (4..=5).contains(&digits) && word.iter().any(u8::is_ascii_digit)
}

/// Whether each group of four is a little more than the one before.
fn digits_ascend(digits: &[u8]) -> bool {
    let group = |digits: &[u8]| {
        digits
            .iter()
            .fold(0u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let pairs = digits.chunks(4).zip(digits.chunks(4).skip(1));
    pairs
        .map(|(one, next)| (group(one), group(next)))
        .all(|(one, next)| one < next && next - one <= 10)
}

/// Length of groups of digits of these sizes at the start of a text.
fn grouped(text: &[u8], separator: u8, sizes: &[usize]) -> Option<usize> {
    let mut length = 0;
    for (index, &size) in sizes.iter().enumerate() {
        if index > 0 {
            length += usize::from(*text.get(length)? == separator);
        }
        let group = text[length..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if group != size {
            return None;
        }
        length += size;
    }
    Some(length)
}

/// Whether an issuer uses this prefix with this many digits (ISO/IEC 7812 ranges of the card networks).
fn issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        digits
            .iter()
            .take(length)
            .fold(0u32, |number, digit| number * 10 + u32::from(*digit))
    };
    match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305 | 309 | 360..=369 | 380..=399),
        15 => matches!(prefix(2), 34 | 37),
        length @ 16..=19 => match prefix(4) {
            4000..=4999 => length == 16 || length == 19,
            5100..=5599 | 2221..=2720 | 2200..=2204 => length == 16,
            3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 => true,
            5018 | 5019 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
            _ => false,
        },
        _ => false,
    }
}
