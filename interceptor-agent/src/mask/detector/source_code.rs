//! Whether a place in a text is in source code, and whether a line of it says who wrote it.
//!
//! Source code is full of values that are nobody's data: its authors' addresses, which they published with it, and those that
//! documents use. What tells it from prose, data and logs are lines that only a program has.

use std::{
    cell::{Cell, OnceCell},
    ops::Range,
};

/// How far around a place is looked, in blocks.
const BLOCK: usize = 4096;
/// Least statements around a place, and how many other lines there may be to each line of a program.
const LEAST: usize = 4;
const OTHERS: usize = 16;

/// What is known of the part of a text that was asked for last, so that a text is read three times at most; and where it begins
/// and ends, quotes and full stops aside.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    last: Cell<Option<(usize, bool)>>,
    inner: OnceCell<Range<usize>>,
    /// Up to where manifests were searched for data.
    pub manifests_read: Cell<usize>,
}

impl Surroundings {
    /// Whether most of what is around a place is a program.
    pub fn are_code(&self, text: &[u8], at: usize) -> bool {
        let block = at / BLOCK;
        match self.last.get() {
            Some((last, is_code)) if last == block => is_code,
            _ => {
                let start = block.saturating_sub(1) * BLOCK;
                let end = text.len().min((block + 2) * BLOCK);
                let is_code = is_code(&text[start..end]);
                self.last.set(Some((block, is_code)));
                is_code
            }
        }
    }

    /// Whether white space, quotes, commas and full stops are all that stands around a part.
    pub fn are_edges(&self, text: &[u8], part: &Range<usize>) -> bool {
        let inner = self.inner.get_or_init(|| {
            let says = |byte: &u8| !byte.is_ascii_whitespace() && !b"\"'.,".contains(byte);
            let start = text.iter().position(says).unwrap_or(text.len());
            let end = text.iter().rposition(says).map_or(start, |last| last + 1);
            start..end
        });
        part.start <= inner.start && inner.end <= part.end
    }
}

fn is_code(text: &[u8]) -> bool {
    let (mut statements, mut program, mut all) = (0, 0, 0);
    for line in lines(text) {
        let line = without_margin(line);
        let is_statement = is_statement(line);
        all += usize::from(!line.is_empty());
        statements += usize::from(is_statement);
        program += usize::from(is_statement || ends_as_statement(line));
    }
    statements >= LEAST && program * OTHERS >= all
}

/// The lines of a text, also where their ends are escaped, as in a string of JSON.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr2_iter(b'\n', b'\\', text)
            .find(|&at| text[at] == b'\n' || text.get(at + 1) == Some(&b'n'));
        let Some(end) = end else {
            return rest.take();
        };
        let skipped = if text[end] == b'\n' { 1 } else { 2 };
        rest = Some(&text[end + skipped..]);
        Some(&text[..end])
    })
}

/// A line without its indent, and the number or sign that tools put in front of it.
fn without_margin(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let line = match &line[digits..] {
        [b'\t' | b'|' | b':', rest @ ..] | [0xe2, 0x86, 0x92, rest @ ..] if digits > 0 => rest,
        _ => line,
    };
    match line {
        [b'+' | b'-', rest @ ..] if rest.first() != Some(&line[0]) => rest.trim_ascii(),
        _ => line.trim_ascii(),
    }
}

/// What statements begin with, and one of the signs or words that come with it.
const STATEMENTS: &[(&str, &[&str])] = &[
    ("import ", &[""]),
    ("from ", &[" import "]),
    ("def ", &["("]),
    ("async def ", &["("]),
    ("class ", &[":", "{"]),
    ("return", &[";", " "]),
    ("if ", &[":", "{", "then", ")"]),
    ("if(", &[")"]),
    ("elif ", &[":"]),
    ("else", &[":", "{"]),
    ("} else", &["{"]),
    ("for ", &[":", "{", ")", "; do"]),
    ("for(", &[")"]),
    ("while ", &[":", "{", ")"]),
    ("try", &[":", "{"]),
    ("except", &[":"]),
    ("raise ", &[""]),
    ("assert ", &[""]),
    ("self.", &["=", "("]),
    ("this.", &["=", "("]),
    ("#include", &["<", "\""]),
    ("#define ", &[""]),
    ("#if", &[""]),
    ("#endif", &[""]),
    ("fn ", &["("]),
    ("pub ", &["(", "{", ";"]),
    ("impl", &["{"]),
    ("let ", &["="]),
    ("use ", &[";"]),
    ("mod ", &[";", "{"]),
    ("const ", &["=", ";"]),
    ("var ", &["="]),
    ("function ", &["("]),
    ("func ", &["("]),
    ("package ", &[""]),
    ("module ", &[""]),
    ("export ", &["=", "{", "("]),
    ("public ", &["(", "{", ";"]),
    ("private ", &["(", "{", ";"]),
    ("protected ", &["(", "{", ";"]),
    ("static ", &["(", "=", ";", "{"]),
    ("extern ", &["(", "{", ";"]),
    ("struct ", &["{"]),
    ("typedef ", &[""]),
    ("enum ", &["{"]),
    ("namespace ", &["{", ";"]),
    ("using ", &[";"]),
    ("void ", &["("]),
    ("int ", &["(", "=", ";"]),
    ("char ", &["(", "=", ";"]),
    ("unsigned ", &["(", "=", ";"]),
    ("my ", &[";"]),
    ("our ", &[";"]),
    ("sub ", &["{"]),
    ("require", &["(", ";"]),
    ("switch", &["{"]),
    ("case ", &[":"]),
    ("template", &["<"]),
    ("inline ", &["("]),
    ("=head", &[" "]),
    ("=item", &[""]),
    ("=back", &[""]),
    ("=cut", &[""]),
];

/// Whether a line ends as those of programs do, and of data, too: SQL's dumps, configs.
fn ends_as_statement(line: &[u8]) -> bool {
    let given = || {
        memchr::memmem::find(line, b" = ").is_some()
            && matches!(line.last(), Some(b')' | b'(' | b'{'))
    };
    line.len() > 2 && (line.ends_with(b";") || line.ends_with(b"),")) || given()
}

fn is_statement(line: &[u8]) -> bool {
    const LONGEST: usize = 160;
    let line = &line[..line.len().min(LONGEST)];
    STATEMENTS.iter().any(|(begin, signs)| {
        line.strip_prefix(begin.as_bytes()).is_some_and(|rest| {
            let has = |sign: &&str| memchr::memmem::find(rest, sign.as_bytes()).is_some();
            signs.iter().any(has)
        })
    })
}

/// Words of a line that says who a program is by.
const BY: &[&str] = &[
    "copyright",
    "author",
    "written by",
    "contributed",
    "contributor",
    "maintain",
];
/// Those that other lines have, too.
const MAYBE_BY: &[&str] = &[
    "contact",
    "by ",
    "mail",
    "(c)",
    "added",
    "support",
    "thanks",
    "according to",
];

/// Whether what is at `place` is in a line that says who a program is by: one that says so, or one that looks like it in a comment
/// or a docstring in the midst of code.
pub fn is_credit(text: &[u8], place: Range<usize>, around: &Surroundings) -> bool {
    let Some((above, line)) = line_up_to(text, place.start) else {
        return false;
    };
    let has = |words: &[&str]| words.iter().any(|word| has_word(line, word));
    let starts_with = |marks: &[&[u8]]| marks.iter().any(|mark| line.starts_with(mark));
    let is_comment = starts_with(&[b"#", b"//", b"--", b";", b"%"]);
    let before = before_address(line);
    let named = before.len() < line.len() && ends_in_name(before);
    if is_comment && has(BY) || is_metadata(line) || named && has(&BY[..1]) {
        return true;
    }
    if !around.are_code(text, place.start) {
        return false;
    }
    let in_block = is_comment || starts_with(&[b"*", b"/*", b".\\\""]);
    let alone = !before.iter().any(u8::is_ascii_alphanumeric);
    let in_words = || !line.iter().any(|byte| b"\"'=;{}[]".contains(byte));
    let below = || BY.iter().any(|word| has_word(above, word));
    let in_metadata = || {
        let paragraph = memchr::memmem::rfind(above, b"\n\n").map_or(0, |at| at + 2);
        lines(&above[paragraph..]).any(is_metadata)
    };
    has(BY)
        || named && in_words() && has(MAYBE_BY)
        || in_block && (alone || named)
        || (alone || named) && in_words() && below()
        || named && in_metadata()
}

/// What stands above a place, as far as it matters, and the line that leads to it, if that is none of data.
fn line_up_to(text: &[u8], place: usize) -> Option<(&[u8], &[u8])> {
    const REACH: usize = 1024;
    const LONGEST: usize = 160;
    let line = line_before(&text[..place], LONGEST)?;
    let above = place - line.len();
    Some((
        &text[above.saturating_sub(REACH)..above],
        without_margin(line),
    ))
}

/// The last line of a text, also where its start is escaped; none that is longer than a limit.
pub fn line_before(text: &[u8], longest: usize) -> Option<&[u8]> {
    let near = &text[text.len().saturating_sub(longest)..];
    let newline = memchr::memrchr(b'\n', near).map(|at| at + 1);
    let escaped = memchr::memmem::rfind(near, b"\\n").map(|at| at + 2);
    let whole = near.len() == text.len();
    let start = newline.max(escaped).or(whole.then_some(0))?;
    Some(&near[start..])
}

/// Whether a line of Python says who its module is by.
fn is_metadata(line: &[u8]) -> bool {
    let names = [&b"__author"[..], b"__email", b"__maintainer"];
    names.iter().any(|name| line.starts_with(name))
}

/// A line without what stands between a name and an address.
fn before_address(line: &[u8]) -> &[u8] {
    let mut rest = line.strip_suffix(b"mailto:").unwrap_or(line);
    loop {
        // Perl's documents mark it: `E<lt>`, `C<`.
        rest = match rest {
            [before @ .., b'E', b'<', b'l', b't', b'>'] => before,
            [before @ .., b' ' | b'<', b'C' | b'F' | b'L', b'<'] => before,
            [before @ .., b' ' | b'\t' | b'<' | b'(' | b',' | b':' | b';'] => before,
            _ => return rest,
        };
    }
}

/// Whether it ends in a name, or a word for what comes.
fn ends_in_name(line: &[u8]) -> bool {
    let word = line.rsplit(|byte| byte.is_ascii_whitespace()).next();
    let word = word.unwrap_or_default();
    // As in `d'Arc`.
    let name = word.strip_prefix(b"d'").unwrap_or(word);
    let starts_name = |byte: &u8| byte.is_ascii_uppercase() || *byte >= 0x80;
    name.first().is_some_and(starts_name) || [&b"email"[..], b"e-mail"].contains(&word)
}

fn has_word(text: &[u8], word: &str) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "import os\n\ndef f(x):\n    if x:\n        return x + 1\n    raise E\n";

    #[test]
    fn programs_are_told_from_prose_and_data() {
        let numbered: String = (1..)
            .zip(PROGRAM.lines())
            .map(|(number, line)| format!("{number:>6}→{line}\n"))
            .collect();
        let added: String = PROGRAM.lines().map(|line| format!("+{line}\n")).collect();
        for text in [
            PROGRAM,
            &numbered,
            &added,
            &PROGRAM.replace('\n', "\\n"),
            "#include <a.h>\n/* x */\nint f(void)\n{\n  return 1;\n}\nstatic int x = 1;\n",
        ] {
            assert!(
                Surroundings::default().are_code(text.as_bytes(), 0),
                "{text}"
            );
        }
        for text in [
            "",
            "import the goods\nfrom there\nif it rains\nfor all of us\nelse we go\n",
            "{\n  \"email\": \"a@b.example\",\n  \"ips\": [\n    \"192.0.2.1\"\n  ]\n}\n",
            "INSERT INTO t VALUES\n(1, 'a'),\n(2, 'b'),\n(3, 'c'),\n(4, 'd');\nCOMMIT;\n",
            "location / {\n  allow 192.0.2.1;\n  allow 192.0.2.2;\n  allow 192.0.2.3;\n  deny all;\n}\n",
            "host: 192.0.2.1\nport: 80\nclass: x\nreturn-path: <a@b.example>\n",
            &["a line of a log\n".repeat(200), PROGRAM.to_owned()].concat(),
        ] {
            assert!(
                !Surroundings::default().are_code(text.as_bytes(), 0),
                "{text}"
            );
        }
    }

    #[test]
    fn the_answer_is_that_of_the_place_asked_for() {
        let text = [PROGRAM.repeat(60), "words and words\n".repeat(2000)].concat();
        let around = Surroundings::default();
        for _ in 0..2 {
            assert!(around.are_code(text.as_bytes(), 0));
            assert!(!around.are_code(text.as_bytes(), text.len() - 1));
        }
    }

    #[test]
    fn credits_are_lines_that_say_who_wrote_something() {
        let is = |line: &str, more: &str| {
            let text = [line, "\n", more].concat();
            let at = line.find("a@b.org").expect("an address");
            is_credit(text.as_bytes(), at..at + 7, &Surroundings::default())
        };
        for line in [
            "# Author: Ann Bo <a@b.org>",
            "// Copyright 2020 Ann (a@b.org)",
            "__author__ = 'Ann <a@b.org>'",
            "Copyright (c) Ann Bo <a@b.org>",
        ] {
            assert!(is(line, ""), "{line}");
        }
        for line in [
            "Written by Ann Bo (a@b.org).",
            " * Ann Bo <a@b.org>",
            "# Contact: a@b.org",
            "#   a@b.org",
            "# email: a@b.org",
            "# of Jeanne d'Arc <a@b.org>",
            "Author: Ann Bo E<lt>a@b.orgE<gt>",
            " * Ann de Bo,   C<< <a@b.org> >>",
        ] {
            assert!(is(line, PROGRAM) && !is(line, ""), "{line}");
        }
        for line in [
            "send('a@b.org')",
            "ADMIN = \"Ann Bo <a@b.org>\"",
            "# the customer is a@b.org",
            "Author: Ann Bo <a@b.org>",
            "To: Ann <a@b.org>",
        ] {
            assert!(!is(line, ""), "{line}");
        }
        for line in [
            "ADMIN = \"Ann Bo <a@b.org>\"",
            "mail(\"Ann <a@b.org>\")",
            "# the customer is a@b.org",
            "{ name: \"Ann\", email: \"a@b.org\" }",
        ] {
            assert!(!is(line, PROGRAM), "{line}");
        }
    }
}
