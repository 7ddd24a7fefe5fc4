//! People: e-mail addresses and payment cards.

use std::ops::Range;

use crate::mask::detector::{
    Action, Class,
    checksum::luhn,
    row::{Row, Site},
    source_code::is_credit,
};

/// Values that name a person or their money.
pub const ROWS: &[Row] = &[
    Row {
        patterns: EMAIL,
        check: |site| email_of(site, Whose::Somebodys),
        confidence: 0.95,
        hits: &[
            "Mail »minji.kim@example.com«, <»a+b_c@sub.example.co.kr«>.",
            "mailto:»user@xn--80ak6aa92e.com« 메일은»hong@example.com«입니다",
        ],
        misses: &[
            "config@v2/build icon@2x.png lodash@4.17.21 git@github.com:org/repo a@b user@localhost",
            "chacha20-poly1305@openssh.com x-cert-v01@openssh.com <142480216486.20800.16526388@mail.corp.kr>",
            "@decorator.name x @ y.z ssh://deploy@host.example.com/ https://user:pa55@example.com/ a@-b.com",
        ],
        ..Row::new("email", "EMAIL")
    },
    // Of who wrote source code, in it: real ones, which those who publish the code anyhow may want to let pass.
    Row {
        patterns: EMAIL,
        check: |site| email_of(site, Whose::Authors),
        confidence: 0.95,
        hits: &[
            "# Written by Minji Kim <»minji@corp.kr«>",
            "import a\n\ndef f(x):\n    return 1\n\n# Minji Kim <»minji@corp.kr«>\ndef g(x):\n    return 1\n",
        ],
        misses: &["Author: Minji Kim <minji@corp.kr>"],
        ..Row::new("author_email", "EMAIL")
    },
    // In source code, RFC 2606's for examples: not looked for by default.
    Row {
        class: Class {
            name: "code_email",
            label: "EMAIL",
            action: Action::Allow,
        },
        patterns: EMAIL,
        check: |site| email_of(site, Whose::Nobodys),
        confidence: 0.5,
        hits: &[
            "import a\n\ndef f(x):\n    return 1\n\ndef g(x):\n    return mail('»a@example.com«')\n",
        ],
        misses: &[
            "Author: Minji Kim <minji@corp.example>",
            "import a\n\ndef f(x):\n    return 1\n\ndef g(x):\n    return mail('a@corp.com')\n",
            ">>> import a\n>>> b = a.read('customers')\n>>> c = b.head(1)\n>>> d = c.mail()\n>>> e = str(d)\n>>> e\n'a@corp.com'\n",
        ],
        ..Row::new("code_email", "EMAIL")
    },
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

/// An address's last letter before the `@`, and its first behind.
const EMAIL: &[&str] = &["[A-Za-z0-9_+-]@[A-Za-z0-9]"];

/// Names that nobody can have (RFC 2606, RFC 6761), as ends of domains.
const RESERVED_DOMAINS: &[&str] = &[
    "example.com",
    "example.net",
    "example.org",
    "example",
    "invalid",
    "test",
    "localhost",
];

/// Whose algorithms in SSH have names like addresses (RFC 4251, section 6): `zlib@openssh.com`.
const ALGORITHMS: [&[u8]; 2] = [b"openssh.com", b"libssh.org"];

/// Whose an e-mail address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Somebodys,
    /// Of who wrote the source code that it stands in.
    Authors,
    /// Source code has it as an example.
    Nobodys,
}

/// An address of those.
fn email_of(site: &Site<'_>, asked: Whose) -> Option<Range<usize>> {
    let span = email(site)?;
    let (text, around) = (site.text, site.around);
    let whose = match () {
        () if is_reserved(site.bytes(span.clone())) && around.are_code(text, span.start) => {
            Whose::Nobodys
        }
        () if is_credit(text, span.clone(), around) => Whose::Authors,
        () => Whose::Somebodys,
    };
    (whose == asked).then_some(span)
}

/// Whether nobody can have an address.
fn is_reserved(address: &[u8]) -> bool {
    RESERVED_DOMAINS.iter().any(|domain| {
        let rest = address.len().checked_sub(domain.len());
        let (rest, end) = address.split_at(rest.unwrap_or(0));
        matches!(rest, [.., b'@' | b'.']) && end.eq_ignore_ascii_case(domain.as_bytes())
    })
}

/// Endings of file names that look like a top-level domain after an `@`.
const FILE_ENDINGS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "mjs", "ts", "json", "py",
    "md", "html", "lock", "yml", "yaml",
];

fn email(site: &Site<'_>) -> Option<Range<usize>> {
    let at = site.all.start + 1;
    let local = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte);
    let length = site.text[..at]
        .iter()
        .rev()
        .take(65)
        .take_while(local)
        .count();
    let skipped = site.text[at - length..at]
        .iter()
        .take_while(|byte| !byte.is_ascii_alphanumeric() && **byte != b'_')
        .count();
    let start = at - length + skipped;
    let name = &site.text[start..at];
    let in_url = in_user_info(&site.text[..start]);
    if name.is_empty()
        || length > 64
        || in_url
        || name == b"git"
        || is_message(name)
        || ALGORITHMS
            .iter()
            .any(|domain| site.bytes(at + 1..site.text.len()).starts_with(domain))
        || name.windows(2).any(|pair| pair == b"..")
    {
        return None;
    }
    let end = at + 1 + domain(&site.text[at + 1..])?;
    // What is called is a decorator below another line's end.
    (site.text.get(end) != Some(&b'(')).then_some(start..end)
}

/// Whether it is a message's id that stands before a host, as in mail: many digits and dots.
fn is_message(name: &[u8]) -> bool {
    name.len() >= 20
        && name
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether what follows is in the user or password of a URL.
fn in_user_info(before: &[u8]) -> bool {
    let stop = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'`<>".contains(byte);
    let length = before
        .iter()
        .rev()
        .take(256)
        .take_while(|byte| !stop(byte))
        .count();
    before[..before.len() - length].ends_with(b"://")
}

/// Length of the domain at the start of a text: labels and a top-level domain of letters.
fn domain(text: &[u8]) -> Option<usize> {
    let in_domain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let mut length = text.iter().take(254).take_while(in_domain).count();
    while length > 0 && !text[length - 1].is_ascii_alphanumeric() {
        length -= 1;
    }
    let domain = std::str::from_utf8(&text[..length]).ok()?;
    let (rest, top) = domain.rsplit_once('.')?;
    let labels = rest
        .split('.')
        .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let letters = top.bytes().all(|byte| byte.is_ascii_alphabetic()) || top.starts_with("xn--");
    let file = FILE_ENDINGS
        .iter()
        .any(|ending| top.eq_ignore_ascii_case(ending));
    (labels && letters && top.len() >= 2 && top.len() <= 24 && !file).then_some(length)
}

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
