//! Telephone numbers. Their numbering plans are those of the library `phonelib`, which takes them from libphonenumber.

use std::ops::Range;

use crate::mask::detector::row::{Row, Site};

/// Words for a telephone, for numbers that nothing else tells from an order's.
const WORDS: &[&str] = &[
    "phone",
    "tel:",
    "tel.",
    "tel ",
    "mobile",
    "call ",
    "cell",
    "fax",
    "whatsapp",
    "sms",
    "contact",
    "전화",
    "휴대폰",
    "핸드폰",
    "연락처",
    "電話",
    "携帯",
    "手机",
    "telefon",
    "teléfono",
    "téléphone",
    "telepono",
    "cep no",
    "handy",
];

/// One row a way of writing.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"\+[1-9][0-9 (]"],
        check: international,
        confidence: 0.9,
        hits: &[
            "call the US line »+14155552671« to confirm, »+82 10 1234 5678«.",
            "»+55 11 98456 5666«, »+44 (20) 7123 4567«, »+33 1 42 68 53 00«, tel:»+63-917-123-4567«",
        ],
        misses: &[
            "a+14155552671 +1 2 3 +10000000000 +999999999999 +1.5e10 +35236450.6 @@ -1,7 +1,7 @@ 2+3456789012",
        ],
        ..Row::new("phone", "PHONE")
    },
    Row {
        patterns: &[
            r"\(\d{3}\) ?\d{3}[ .-]\d{4}",
            r"\b\d{3}-\d{3}-\d{4}",
            r"\b\d{3}\.\d{3}\.\d{4}",
            r"\b\d{1,3}-\d{3}-\d{3}-\d{4}",
            r"\b0[1-9]\d{0,3}[ -]\d{2,4}[ -]\d{3,4}",
            r"\b0[1-9]\d{0,2}-\d{6,8}",
            r"\b0[1-9][ .]\d{2}[ .]\d{2}[ .]\d{2}[ .]\d{2}",
            r"\b0[ -]\d{3}[ -]\d{3}[ -]\d{2}[ -]\d{2}",
            r"\b01[016-9]-\d{3,4}-\d{4}",
        ],
        check: national,
        confidence: 0.85,
        hits: &[
            "My mobile is »010-1234-5678«, call anytime. US: »415-555-0132«",
            "US phone »(415) 555-2671«, »(212) 555-0143« or »090-1234-5678«, »09-7625400«, »91-415-555-0132«",
            "Paris »01 42 68 53 00«, »0 532 123 45 67«",
            "전화: »010-1234-5678«; »415-555-0132«; »415-555-0133«, Dupont;»01 42 68 53 00«;Paris",
            "Appelle Claire au »01 42 68 53 00« demain:\n\nimport a\n\ndef f(x):\n    if x:\n        return 1\n",
        ],
        misses: &[
            "on 01-02-2003 at 2024-01-02, 000-00-0000, 123-456-7890-1, 0.415-555-0132, 100-100-1000",
            "48 8B 05 00 00 00 00",
            "let bytes = hex!(\"02 03 01 00 01\");",
            "request id 550e8400-e29b-41d4-a716-446655440000 logged",
        ],
        ..Row::new("phone_national", "PHONE")
    },
    Row {
        patterns: &[
            r"\b[0-9]\d{9,10}",
            r"\b0\d{3} \d{3} \d{4}",
            r"\b\d{3}[ -]\d{3}[ -]\d{2}[ -]\d{2}",
            r"\b0\d{3} \d{3} \d{2} \d{2}",
        ],
        check: national,
        context: WORDS,
        alone: true,
        confidence: 0.75,
        hits: &[
            "Call +82 10 1234 5678 or the no-separator form »01012345678«.",
            "Telepono: »09171234567«, Cep no: »05321234567«, mobile »13812345678«; tel: »4155550132«;",
        ],
        misses: &[
            "Order id 01099887766 was shipped on time.",
            "The unix timestamp 1781129892 and counter 1719999999 are not phone numbers.",
            "the account id 12345678901 and ticket 4155552671 are bare digit runs",
        ],
        ..Row::new("phone_plain", "PHONE")
    },
];

/// Calling codes of countries in which numbers are often written as at home, with a zero in front or none.
const AT_HOME: &[&str] = &[
    "82", "81", "44", "33", "49", "39", "34", "31", "972", "90", "63", "61", "91", "86", "65", "46",
];

/// Digits of a number in international form, as far as a numbering plan has them; E.164 allows 15.
struct Number {
    text: [u8; 17],
    length: usize,
}

impl Number {
    fn new(prefix: &str) -> Self {
        let mut number = Self {
            text: [0; 17],
            length: 1,
        };
        number.text[0] = b'+';
        number.extend(prefix.bytes());
        number
    }

    fn extend(&mut self, digits: impl IntoIterator<Item = u8>) -> bool {
        digits.into_iter().all(|digit| {
            let slot = self.text.get_mut(self.length);
            self.length += 1;
            slot.map(|slot| *slot = digit).is_some()
        })
    }

    /// Whether a numbering plan has a range for it.
    fn is_in_use(&self) -> bool {
        let text = self
            .text
            .get(..self.length)
            .and_then(|text| std::str::from_utf8(text).ok());
        text.and_then(phonelib::detect_phone_number_type)
            .is_some_and(|kind| kind != phonelib::PhoneNumberType::Unknown)
    }
}

/// As many groups of digits after the plus as make a number.
fn international(site: &Site<'_>) -> Option<Range<usize>> {
    const LONGEST: usize = 26;
    if site
        .before(1)
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+.)]".contains(byte))
    {
        return None;
    }
    let start = site.all.start;
    let text = &site.text[start..site.text.len().min(start + LONGEST)];
    let mut number = Number::new("");
    let (mut found, mut separators) = (None, 0);
    for (index, &byte) in text.iter().enumerate().skip(1) {
        let fraction = byte == b'.'
            && !matches!(text[index..], [_, a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit());
        if fraction {
            break;
        } else if byte.is_ascii_digit() {
            separators = 0;
            if !number.extend([byte]) {
                break;
            }
            let ends = match &text[index + 1..] {
                [next, ..] if next.is_ascii_alphanumeric() => false,
                // A fraction; groups of three are a number's.
                [b'.', a, rest @ ..] if a.is_ascii_digit() => {
                    rest.iter().take_while(|byte| byte.is_ascii_digit()).count() > 1
                }
                _ => true,
            };
            if ends && number.length >= 9 && number.is_in_use() {
                found = Some(start..start + index + 1);
            }
        } else if b" -.()".contains(&byte) && separators < 2 {
            separators += 1;
        } else {
            break;
        }
    }
    found
}

/// Whether it is a number in North America, or at home in one of the countries that write a zero in front.
fn national(site: &Site<'_>) -> Option<Range<usize>> {
    const LEAST: usize = 9;
    let beside = matches!(
        site.before(2),
        [b'0'..=b'9', b'.' | b'-' | b'/' | b':'] | [_, b'.' | b'$' | b'+'] | [b'.' | b'$' | b'+']
    ) || matches!(site.after(2), [b'.' | b'-' | b'/' | b':', b'0'..=b'9']);
    if beside {
        return None;
    }
    let text = site.bytes(site.all.clone());
    // A row of numbers, or a number that a program is given.
    let in_row = text.contains(&b' ')
        && (matches!(site.after(2), [b' ', b'0'..=b'9'])
            || matches!(site.before(2), [b'0'..=b'9', b' ']));
    // Bytes in hexadecimal.
    let in_bytes = text.get(2) == Some(&b' ')
        && (site.has_near(&["hex"])
            || matches!(
                site.before(3),
                [.., high, low, b' '] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && !(high.is_ascii_lowercase() && low.is_ascii_lowercase())
            ));
    if in_row || in_bytes {
        return None;
    }
    let digits = || text.iter().copied().filter(u8::is_ascii_digit);
    let known = |code: &str, skip: usize| {
        let mut number = Number::new(code);
        number.extend(digits().skip(skip)) && number.is_in_use()
    };
    let count = digits().count();
    let grouped = count < text.len();
    // Twelve digits at home are rare, and three groups of four of them anything.
    if count < LEAST || count > 11 && text[0] == b'0' && !site.has_near(WORDS) {
        return None;
    }
    let in_use = match (digits().next()?, count) {
        (b'0', _) => AT_HOME.iter().any(|code| known(code, 1)),
        (_, 10) => known("1", 0) || !grouped && known("90", 0),
        (b'1', 11) if !grouped => known("86", 0),
        _ => grouped && (known("", 0) || known("90", 0)),
    };
    in_use.then(|| site.all.clone())
}
