//! What targets share: cutting an input into chunks, the endpoint that an input is for, values in encodings.

use interceptor_agent::protocol::{Endpoint, GENERIC};

/// `raw` byte by byte, and in chunks whose sizes follow from nothing but its bytes: what is found is found again.
pub fn cuts(raw: &[u8]) -> [Vec<&[u8]>; 2] {
    let mut state = crc32fast::hash(raw) | 1;
    let mut rest = raw;
    let mut odd = Vec::new();
    while !rest.is_empty() {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let chunk;
        (chunk, rest) = rest.split_at((state as usize % 24 + 1).min(rest.len()));
        odd.push(chunk);
    }
    [raw.chunks(1).collect(), odd]
}

/// The endpoint that the first line begins with, as a folder of `tests/fixtures` is called; what else stands in that line;
/// and what follows it.
pub fn with_endpoint(input: &[u8]) -> Option<(&'static Endpoint, &str, &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&input[..end]).ok()?;
    let (folder, more) = line.split_once(' ').unwrap_or((line, ""));
    let (provider, name) = folder.split_once('/')?;
    let long = format!("{provider}_{name}");
    let mut all = Endpoint::all().into_iter();
    let endpoint = all.find(|known| [name, &long].contains(&known.name));
    Some((endpoint.unwrap_or(&GENERIC), more, &input[end + 1..]))
}

/// A value of each class that is known to be found, and what looks like a token.
pub fn canaries() -> Vec<String> {
    let lines = include_str!("../../tests/canaries.txt").lines();
    let value = |line: &str| {
        let (value, _) = line.split_once('»')?.1.split_once('«')?;
        Some(value.replace('¦', "").replace("\\n", "\n"))
    };
    let tokens = ["EC2_001", "EMAIL\\_002", "CARD_0012"].map(str::to_owned);
    tokens.into_iter().chain(lines.filter_map(value)).collect()
}

/// `text` in one of eleven encodings, or as it is.
pub fn written(text: &str, way: usize) -> String {
    let each = |write: &dyn Fn(char) -> String| text.chars().map(write).collect::<String>();
    let bytes = |prefix: &str| {
        text.bytes()
            .map(|byte| format!("{prefix}{byte:02x}"))
            .collect()
    };
    match way {
        1 => serde_json::json!({ "log": text }).to_string(),
        2 => each(&|char| format!("\\u{:04x}", u32::from(char))),
        3 => bytes("\\x"),
        4 => bytes("%"),
        5 => bytes(""),
        6 => base64(text.as_bytes(), 64),
        7 => base64(text.as_bytes(), usize::MAX),
        8 => each(&|char| format!("{char}\u{200b}")),
        9 => each(&|char| match char {
            '!'..='~' => char::from_u32(u32::from(char) + 0xfee0)
                .unwrap_or(char)
                .to_string(),
            other => other.to_string(),
        }),
        10 => text.replace('a', "а").replace('c', "с").replace('e', "е"),
        11 => format!(
            "{}\n{}",
            &text[..text.floor_char_boundary(text.len() / 2)],
            &text[text.floor_char_boundary(text.len() / 2)..]
        ),
        _ => text.to_owned(),
    }
}

/// In lines of at most `width` characters.
fn base64(bytes: &[u8], width: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, index| {
            bits << 8 | usize::from(*three.get(index).unwrap_or(&0))
        });
        for digit in 0..4 {
            if out.len() % width.saturating_add(1) == width {
                out.push('\n');
            }
            out.push(match digit <= three.len() {
                true => char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]),
                false => '=',
            });
        }
    }
    out
}
