//! E-mail addresses.

use std::ops::Range;

use memchr::memmem;

use crate::mask::detector::{
    Action, Class,
    row::{Row, Site},
    source_code::is_credit,
};

/// Addresses of people, by whose they are.
pub const ROWS: &[Row] = &[
    Row {
        patterns: EMAIL,
        check: |site| email_of(site, Whose::Somebodys),
        confidence: 0.95,
        hits: &[
            "Mail »minji.kim@example.com«, <»a+b_c@sub.example.co.kr«>.",
            "mailto:»user@xn--80ak6aa92e.com« 메일은»hong@example.com«입니다",
            "담당 »hong@corp.co.kr«(홍길동), »john@corp.com«(mobile)",
            "Acme,https://acme.com,»john@acme.com« https://acme.com;»ann@acme.com« <https://acme.com|»bo@acme.com«>",
            "smtp://»john@corp.com«:pa55@smtp.corp.com/ https://»ann@corp.com«@files.corp.com",
            "»john@corp.com«-prod session:»john@corp.com«-8f3a »john@corp.com«.1 »ann@mail.co-op.com«--x »bo@corp.com«...then",
            "»juan@empresa.com.py« »ion@firma.md« exports/»john@corp.com«.json »x@firma.xn--p1ai«",
            "E-mail............................................................................»john@corp.com« »john..smith@docomo.ne.jp« »ann.@ezweb.ne.jp«",
        ],
        misses: &[
            "config@v2/build icon@2x.png lodash@4.17.21 git@github.com:org/repo a@b user@localhost",
            "chacha20-poly1305@openssh.com x-cert-v01@openssh.com <142480216486.20800.16526388@mail.corp.kr>",
            "icon@2x.min.js sr_RS@latin.UTF-8 a@1.2.3-4.rc1 a@corp-.com \\n@app.get('/') \\n@pytest.mark.skip",
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
];

/// An address's last byte before the `@`, and its first behind.
const EMAIL: &[&str] = &["[A-Za-z0-9_.+-]@[A-Za-z0-9]"];

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

fn email(site: &Site<'_>) -> Option<Range<usize>> {
    let text = site.text;
    let at = site.all.start + 1;
    let start = at - local_part(&text[..at])?;
    let end = at + 1 + domain(&text[at + 1..])?;
    let name = &text[start..at];
    let of_algorithm = |domain: &&[u8]| text[at + 1..].starts_with(domain);
    // A decorator below the end of another line, which is written as an escape.
    let escape = matches!(name, [b'n' | b'r' | b't']) && text[..start].ends_with(b"\\");
    let nobodys = escape
        || name == b"git"
        || is_message(name)
        || ALGORITHMS.iter().any(of_algorithm)
        || is_host(&text[..start], &text[end..]);
    (!nobodys).then_some(start..end)
}

/// Length of the local part at the end of a text.
fn local_part(text: &[u8]) -> Option<usize> {
    // RFC 5321, section 4.5.3.1.1.
    const LONGEST: usize = 64;
    let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte);
    let length = text
        .iter()
        .rev()
        .take(LONGEST + 1)
        .take_while(in_name)
        .count();
    let run = &text[text.len() - length..];
    // Dots lead to it from its label: `E-mail....ann@`. Two are in names that some providers gave out.
    let led = memmem::rfind(run, b"...").map_or(0, |dots| dots + 3);
    let name = run[led..]
        .iter()
        .position(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')?;
    let length = length - led - name;
    (length <= LONGEST).then_some(length)
}

/// Whether it is a message's id that stands before a host, as in mail: many digits and dots.
fn is_message(name: &[u8]) -> bool {
    name.len() >= 20
        && name
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Whether what looks like an address is the host of a URL, and the user or password before it. With another `@` behind, it is
/// the user, whole.
fn is_host(before: &[u8], after: &[u8]) -> bool {
    const LONGEST: usize = 256;
    let inside =
        |byte: &&u8| !byte.is_ascii_whitespace() && !b"/?#\"'`<>,;|()[]{}\\".contains(byte);
    let start = before.iter().rev().take(LONGEST).take_while(inside).count();
    let mut rest = after.iter().take(LONGEST).take_while(inside);
    before[..before.len() - start].ends_with(b"://") && rest.all(|byte| *byte != b'@')
}

/// Endings of names of files, and of locales (`sr_RS@latin.UTF-8`), that look like a top-level domain after an `@`.
const FILE_ENDINGS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "mjs", "ts", "json", "html",
    "lock", "yml", "yaml", "utf",
];

/// Top-level domains that a file's name has before its ending only where an address names it: `ann@corp.com.json`.
const BEFORE_ENDINGS: &[&str] = &[
    "com", "net", "org", "io", "de", "kr", "jp", "uk", "fr", "eu",
];

/// Length of the domain at the start of a text: labels, of which the last is a top-level domain of letters. What is hung on
/// behind is none of it: `corp.com-prod`, `corp.com.1`.
fn domain(text: &[u8]) -> Option<usize> {
    // RFC 1035, section 2.3.4.
    const LONGEST: usize = 254;
    let in_domain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let length = text.iter().take(LONGEST).take_while(in_domain).count();
    let is_in = |known: &[&str], top: &[u8]| {
        let mut known = known.iter();
        known.any(|known| top.eq_ignore_ascii_case(known.as_bytes()))
    };
    let (mut start, mut found) = (0, None);
    for label in text[..length].split(|byte| *byte == b'.') {
        if label.is_empty() || label.starts_with(b"-") {
            break;
        }
        let top = match label.iter().position(|byte| !byte.is_ascii_alphabetic()) {
            Some(hyphen) if label[hyphen] == b'-' && !label.starts_with(b"xn--") => {
                &label[..hyphen]
            }
            Some(_) if !label.starts_with(b"xn--") => &[],
            _ => label,
        };
        if start > 0 && is_in(FILE_ENDINGS, top) {
            found = found.filter(|top: &Range<usize>| is_in(BEFORE_ENDINGS, &text[top.clone()]));
        } else if start > 0 && (2..=24).contains(&top.len()) {
            found = Some(start..start + top.len());
        }
        if label.ends_with(b"-") {
            break;
        }
        start += label.len() + 1;
    }
    found.map(|top| top.end)
}
