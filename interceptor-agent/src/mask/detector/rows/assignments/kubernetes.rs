//! The values of Kubernetes manifests of the kind Secret.

use std::ops::Range;

use memchr::memmem;

use crate::mask::detector::{check::is_placeholder, row::Site};

/// How far a manifest reaches around its kind, and each of its blocks of data.
const REACH: usize = 16 * 1024;
/// What begins another manifest.
const SEPARATOR: &[u8] = b"\n---";

/// Every value below `data` and `stringData` in the manifest around its kind. What another kind's manifest covered already is not
/// read again, so all of them together read a text once.
pub fn values(site: &Site<'_>, found: &mut dyn FnMut(Range<usize>)) {
    if site.after(1).first().is_some_and(u8::is_ascii_alphanumeric) {
        return;
    }
    let (text, kind) = (site.text, site.all.clone());
    let unread = &site.around.manifests_read;
    let first = unread.get().max(kind.start.saturating_sub(REACH));
    let before = &text[first.min(kind.start)..kind.start];
    let start = first + memmem::rfind(before, SEPARATOR).unwrap_or(0);
    let limit = text.len().min(kind.end + REACH);
    let ahead = start.saturating_sub(1).clamp(kind.end, limit);
    let end = ahead + memmem::find(&text[ahead..limit], SEPARATOR).unwrap_or(limit - ahead);
    let mut at = start;
    while at < end
        && let Some(name) = memmem::find(&text[at..end], b"ata")
    {
        at += name + 3;
        let in_name = |byte: &&u8| byte.is_ascii_alphanumeric();
        let length = text[..at].iter().rev().take(16).take_while(in_name);
        let name = at - length.count();
        if matches!(&text[name..at], b"data" | b"stringData") {
            at = match &text[at..] {
                [b'"', ..] => json_values(text, at + 1, found),
                [b':', ..] => yaml_values(text, name, at + 1, found),
                _ => at,
            };
        }
    }
    // A name may begin in what was read.
    unread.set(unread.get().max(at).max(end.saturating_sub(2)));
}

/// The text from a place on, as far as a block of data may reach.
fn block(text: &[u8], from: usize) -> &[u8] {
    &text[from..text.len().min(from + REACH)]
}

/// Strings of the object that follows a name, but for its keys; gives where it ends, or `from` where there is none.
fn json_values(text: &[u8], from: usize, found: &mut dyn FnMut(Range<usize>)) -> usize {
    let object = block(text, from);
    let opening = object.iter().position(|byte| !b" \t\r\n:".contains(byte));
    let Some(mut at) = opening.filter(|&at| object[at] == b'{') else {
        return from;
    };
    while let Some(edge) = memchr::memchr2(b'"', b'}', &object[at..]) {
        if memmem::find(&object[at..at + edge], SEPARATOR).is_some() {
            break;
        }
        at += edge + 1;
        if object[at - 1] == b'}' {
            break;
        }
        let string = at..at + string_length(&object[at..]);
        at = object.len().min(string.end + 1);
        if !object[at..].trim_ascii_start().starts_with(b":") {
            report(text, from + string.start..from + string.end, found);
        }
    }
    from + at
}

/// Bytes before the quote that ends a string of JSON, or what cuts it off.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(stop) = memchr::memchr3(b'"', b'\\', b'\n', &text[at..]) {
        match text[at + stop] {
            b'\\' => at = text.len().min(at + stop + 2),
            _ => return at + stop,
        }
    }
    text.len()
}

/// What the lines below a name give, as far as they are indented deeper; gives where they end, or `from` where there are none.
fn yaml_values(
    text: &[u8],
    name: usize,
    from: usize,
    found: &mut dyn FnMut(Range<usize>),
) -> usize {
    let indent = |line: &[u8]| line.iter().take_while(|byte| b" \t".contains(byte)).count();
    let block = block(text, from);
    // Anything but a comment, a tag or an anchor behind a name is its value.
    let behind = block.iter().find(|byte| !b" \t\r".contains(byte));
    if behind.is_some_and(|byte| !b"\n#!&".contains(byte)) {
        return from;
    }
    let mut lines = block.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let line_start = memchr::memrchr(b'\n', &text[..name]).map_or(0, |at| at + 1);
    let own = indent(&text[line_start..name]);
    let mut at = from + first.len();
    for line in lines {
        let (start, trimmed) = (at, line.trim_ascii());
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            at += line.len();
            continue;
        }
        if indent(line) <= own || trimmed[0] == b'{' && !trimmed.starts_with(b"{{") {
            return start;
        }
        at += line.len();
        let value = match memmem::find(line, b": ") {
            Some(colon) => colon + 2,
            None if trimmed.ends_with(b":") => continue,
            None => 0,
        };
        let is_beside = |byte: &u8| byte.is_ascii_whitespace() || b"\"'".contains(byte);
        let padded = line[value..].iter().take_while(|byte| is_beside(byte));
        let from = value + padded.count();
        let length = line[from..].iter().rposition(|byte| !is_beside(byte));
        let length = length.map_or(0, |last| last + 1);
        report(text, start + from..start + from + length, found);
    }
    at
}

fn report(text: &[u8], span: Range<usize>, found: &mut dyn FnMut(Range<usize>)) {
    const LEAST: usize = 4;
    let value = &text[span.clone()];
    if value.len() >= LEAST && value[0] != b'{' && !is_placeholder(value) {
        found(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::detector::source_code::Surroundings;

    /// What the manifests of all kinds in a text give, in order.
    fn all(text: &str) -> Vec<&str> {
        const KIND: &str = "kind:secret";
        let (around, mut values_found) = (Surroundings::default(), Vec::new());
        for (start, _) in text.match_indices(KIND) {
            let all = start..start + KIND.len();
            let site = Site {
                text: text.as_bytes(),
                value: all.clone(),
                all,
                around: &around,
            };
            values(&site, &mut |span| values_found.push(&text[span]));
        }
        values_found
    }

    #[test]
    fn many_kinds_beside_many_blocks_read_a_text_once() {
        let kinds = "kind:secret,".repeat(100);
        for block in [
            "\"data\":",
            "\"data\":{\"a\":\"b1b1\",",
            "data:\n ",
            "data: data:\n  abcd\n",
            "data:\n abcd\n\n---\n",
        ] {
            let text = [kinds.as_str(), &block.repeat(2340)].concat().repeat(2);
            let found = all(&text);
            assert!(found.len() * 4 <= text.len(), "{} in {block}", found.len());
        }
        let deeper: String = (0..200)
            .map(|depth| " ".repeat(depth) + "data:\n")
            .collect();
        assert!(all(&[kinds, deeper].concat()).len() <= 200);
    }

    #[test]
    fn a_list_longer_than_a_manifest_reaches_is_read_to_its_end() {
        let item = |number| format!("{{\"data\":{{\"k\":\"v{number:05}\"}},kind:secret}},");
        let list: String = (0..5000).map(item).collect();
        let expected: Vec<_> = (0..5000).map(|number| format!("v{number:05}")).collect();
        assert_eq!(all(&list), expected);
        // Wherever what is read for the first kind ends.
        for gap in REACH - 40..REACH {
            let filled = "x".repeat(gap);
            let text = format!("kind:secret\n{filled}\ndata:\n  a: abcd\nkind:secret");
            assert_eq!(all(&text), ["abcd"], "{gap}");
        }
    }

    #[test]
    fn strings_end_at_their_own_quotes() {
        let text = r#"kind:secret "data" : {"a": "x\"y}z", "data": "abcd"}, "b": "none""#;
        assert_eq!(all(text), [r#"x\"y}z"#, "abcd"]);
    }
}
