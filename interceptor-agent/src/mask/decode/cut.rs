//! Values that the end of a line cuts in two, as a terminal or a mail program does it.
//!
//! Lines are joined only where a word that may be part of a value touches the end on both sides; in ordinary text and code that
//! is rare. Columns of words are no cut values.

use std::ops::Range;

use memchr::memchr_iter;

/// Longest part of a value on either side that is looked at, in bytes.
const LONGEST: usize = 512;
/// Longest word of ordinary text, in bytes.
const LONGEST_WORD: usize = 15;
/// How much of the lines around the value is kept, for the words that say what it is.
const BEFORE: usize = 64;
const AFTER: usize = 40;

/// Calls `see` with the range of text around each end of a line that cuts a word, and where that end is.
pub fn each(text: &str, mut see: impl FnMut(Range<usize>, Range<usize>)) {
    let bytes = text.as_bytes();
    for newline in memchr_iter(b'\n', bytes) {
        let end = newline - usize::from(bytes[..newline].ends_with(b"\r"));
        let end = end - usize::from(ends_in_gap(&bytes[..end], bytes.get(newline + 1)));
        let Some((left, right)) = words(bytes, end..newline + 1) else {
            continue;
        };
        if !is_column(bytes, &left, &right)
            && !is_table(bytes, &left, &right)
            && !is_decorator(bytes, &right)
            && (is_quoted(bytes, &left, &right)
                || is_cut(&bytes[left.clone()], &bytes[right.clone()]))
        {
            let start = text.floor_char_boundary(left.start.saturating_sub(BEFORE));
            let after = text.ceil_char_boundary(text.len().min(right.end + AFTER));
            see(start..after, end..newline + 1);
        }
    }
}

/// The words that touch the end of a line on both sides.
fn words(text: &[u8], end: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let touches = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/.@:".contains(byte);
    let starts = |byte: &u8| touches(byte) || *byte == b'=';
    let in_gap = text[end.start] == b' ';
    let last = text[..end.start]
        .last()
        .filter(|&&byte| touches(&byte) || in_gap && byte == b')')?;
    // The second half of a number that is written in groups may begin with a space.
    let first = end.end + usize::from(is_gap(text, end.end) && last.is_ascii_digit());
    if !text.get(first).is_some_and(starts) {
        return None;
    }
    let is_inside = |at: &usize| is_part(&text[*at]) || is_gap(text, *at);
    let left = (0..end.start)
        .rev()
        .take_while(is_inside)
        .take(LONGEST)
        .count();
    let right = (end.end..text.len())
        .take_while(is_inside)
        .take(LONGEST)
        .count();
    Some((end.start - left..end.start, end.end..end.end + right))
}

/// Whether this is a space between two groups of digits.
fn is_gap(text: &[u8], at: usize) -> bool {
    let is_digit_or_end =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'\n');
    text.get(at) == Some(&b' ')
        && is_digit_or_end(at.checked_sub(1).and_then(|before| text.get(before)))
        && text.get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// Whether a line ends with the space between two groups of digits, of which the next line has the second.
fn ends_in_gap(line: &[u8], next: Option<&u8>) -> bool {
    let of_number = |byte: &u8| byte.is_ascii_digit() || *byte == b')';
    matches!(line, [.., last, b' '] if of_number(last)) && next.is_some_and(u8::is_ascii_digit)
}

fn is_part(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_+/.@:=~%".contains(byte)
}

/// Whether two words are all that is in a quotation.
fn is_quoted(text: &[u8], left: &Range<usize>, right: &Range<usize>) -> bool {
    let opening = left.start.checked_sub(1).map(|before| text[before]);
    left.len() + right.len() >= 8
        && opening.is_some_and(|quote| b"\"'`".contains(&quote))
        && opening == text.get(right.end).copied()
}

/// Whether two words may be the halves of a value: they are long, or have a digit or what makes an address, and the second is
/// neither an ordinary word nor a name that something is assigned to.
fn is_cut(left: &[u8], right: &[u8]) -> bool {
    let length = left.len() + right.len();
    let tells = |byte: &u8| byte.is_ascii_digit() || *byte == b'@';
    let has_digit = |word: &[u8]| word.iter().any(u8::is_ascii_digit);
    let is_word = |word: &[u8]| {
        let rest = word.strip_suffix(b".").unwrap_or(word);
        let is_lower = rest.iter().skip(1).all(u8::is_ascii_lowercase);
        let is_upper = rest.iter().all(u8::is_ascii_uppercase) && !has_digit(left);
        rest.len() <= LONGEST_WORD
            && rest.iter().all(u8::is_ascii_alphabetic)
            && (is_lower || is_upper)
    };
    // At the end, base64 is padded with them.
    let unpadded = right
        .iter()
        .rposition(|&byte| byte != b'=')
        .map_or(0, |last| last + 1);
    let colons = |word: &[u8]| word.iter().filter(|&&byte| byte == b':').count();
    // That of a network, which has no other signs than these, a prefix length or a zone aside.
    let prefix = right.iter().position(|byte| b"/%".contains(byte));
    let is_address = colons(left) + colons(right) >= 2
        && left
            .iter()
            .chain(&right[..prefix.unwrap_or(right.len())])
            .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte));
    // As in an ARN.
    let goes_on = colons(left) >= 3;
    let assigns = right[..unpadded].contains(&b'=') || colons(right) > 0 && !is_address && !goes_on;
    let is_assigned = left.ends_with(b":") && !is_address;
    let is_grouped = [left, right].iter().any(|half| half.contains(&b' '));
    let least = if is_grouped || is_address { 6 } else { 8 };
    (length >= 12 || length >= least && left.iter().chain(right).any(tells))
        && !is_word(right)
        && !assigns
        && !is_assigned
        && !ends_as_token(left)
        && !ends_as_token(&right[..label(right)])
}

/// How many bytes may be a token's, from the first on.
fn label(word: &[u8]) -> usize {
    let is_of_label =
        |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    word.iter()
        .position(|byte| !is_of_label(byte))
        .unwrap_or(word.len())
}

/// Whether a word ends as tokens do: a letter, `_`, three digits or more. In a masked text, no value goes on with one.
fn ends_as_token(word: &[u8]) -> bool {
    let digits = word
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let label = word[..word.len() - digits].strip_suffix(b"_");
    digits >= 3 && label.is_some_and(|label| label.last().is_some_and(u8::is_ascii_alphanumeric))
}

/// Whether these are two of three or more lines of a single word each.
fn is_column(text: &[u8], left: &Range<usize>, right: &Range<usize>) -> bool {
    let above = text[..left.start].strip_suffix(b"\n");
    let below = text[right.end..]
        .strip_prefix(b"\r")
        .unwrap_or(&text[right.end..])
        .strip_prefix(b"\n");
    let goes_on = |byte: Option<&u8>| byte.is_some_and(is_part);
    match (above, below) {
        (Some(above), Some(below)) => {
            goes_on(above.trim_ascii_end().last()) || goes_on(below.first())
        }
        (None, Some(below)) => left.start == 0 && goes_on(below.first()),
        (Some(above), None) => right.end == text.len() && goes_on(above.trim_ascii_end().last()),
        (None, None) => false,
    }
}

/// Whether these are the last number of a line and the first of the next, of lines of numbers: the word before the first, or
/// that at the start of its line, is as long as one of them, and all are hexadecimal digits.
fn is_table(text: &[u8], left: &Range<usize>, right: &Range<usize>) -> bool {
    const LONGEST: usize = 256;
    let is_gap = |byte: &u8| b" \t".contains(byte);
    let is_number = |word: &[u8]| {
        word.len() >= 3
            && word.iter().all(u8::is_ascii_hexdigit)
            && word.iter().any(u8::is_ascii_digit)
    };
    let last = text[left.clone()].rsplit(is_gap).next().unwrap_or_default();
    let next = text[right.clone()].split(is_gap).next().unwrap_or_default();
    if !is_number(last) || next.is_empty() || !next.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let end = left.end - last.len();
    let before = &text[end.saturating_sub(LONGEST)..end];
    let line = before
        .rsplit(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line.split(is_gap).filter(|word| !word.is_empty());
    let like =
        |word: &&[u8]| is_number(word) && (word.len() == last.len() || word.len() == next.len());
    words.next().is_some_and(|first| like(&first))
        || words.next_back().is_some_and(|word| like(&word))
}

/// Whether a line is a decorator of what the next one defines: `@support.requires`, no domain.
fn is_decorator(text: &[u8], line: &Range<usize>) -> bool {
    let next = text[line.end..].trim_ascii_start();
    let defines = [&b"("[..], b"def ", b"async ", b"class ", b"@"];
    text[line.clone()].starts_with(b"@") && defines.iter().any(|word| next.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each(text, |around, end| {
            all.push([&text[around.start..end.start], &text[end.end..around.end]].concat())
        });
        all
    }

    #[test]
    fn halves_of_a_value_are_joined() {
        for (text, whole) in [
            (
                "the key is AKIAQ7X2\nMD5ZPT3WVLRB.",
                "the key is AKIAQ7X2MD5ZPT3WVLRB.",
            ),
            ("at 10.0\r\n.12.1 é", "at 10.0.12.1 é"),
            ("id=\"i-01234567\n89abcdef0\"", "id=\"i-0123456789abcdef0\""),
            ("00:1b:44:11\n:3a:b7", "00:1b:44:11:3a:b7"),
            ("2001:\ndb8::1", "2001:db8::1"),
            (
                "arn:aws:iam::123456\n789012:role/x",
                "arn:aws:iam::123456789012:role/x",
            ),
            ("x = \"ab:cd\nef=gh\"", "x = \"ab:cdef=gh\""),
            ("it is 078 05\n 1123, yes", "it is 078 05 1123, yes"),
            ("call +49 30 \n1234567, yes", "call +49 301234567, yes"),
            ("call +44 (20) \n7123 4567", "call +44 (20)7123 4567"),
            ("AA 12 \n34 56 B", "AA 1234 56 B"),
            ("at 2001:\ndb8::/32", "at 2001:db8::/32"),
            ("fe8\n0::1%eth0", "fe80::1%eth0"),
            ("ann@exam\nple.com", "ann@example.com"),
        ] {
            assert_eq!(joined(text), [whole]);
        }
    }

    #[test]
    fn ordinary_lines_are_not() {
        for text in [
            "The quick brown\nfox jumps",
            "PASSWORD=abc1\nUSERNAME=ann",
            "name: abc12\nother: abc34",
            "password:\nhunter22",
            "In version 2\nit was changed",
            "def f(a1):\n    return a1",
            "12345678\n90123456\n78901234",
            "key1\nkey2\nkey3\n",
            "4EF6 5039 5026 5065\n517C 5238",
            "of a subprocess\n@support.requires\ndef f():",
            "of a subprocess\n@support.requires_it()",
            "246D\t<circle> 0031 0034\n246E\t<circle>",
            "took 30 s\n2026-02-11T09:14:32.402Z WARN",
            "a1\nb2",
            "x1 \ny2345678",
            "password = SECRET_001\nabc12345",
            "abc12345\nSECRET_001 is it",
            "\n 078 05 1123",
            "\r\n 078 05 1123",
        ] {
            assert_eq!(joined(text), [""; 0], "{text:?}");
        }
    }
}
