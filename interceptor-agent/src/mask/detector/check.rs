//! What several rows ask of bytes: boundaries, entropy, checksums, base64.

/// Whether a value may start here: the byte before is no letter or digit, or it is the end of an escape
/// (`\n`, `\u0022`, `%3D`), as in text that was encoded once more.
pub fn starts_word(text: &[u8], at: usize) -> bool {
    let before = &text[..at];
    match before {
        [.., last] if !last.is_ascii_alphanumeric() => true,
        [] | [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => {
            matches!(before.last_chunk::<6>(), Some([b'\\', b'u', digits @ ..]) if digits.iter().all(u8::is_ascii_hexdigit))
        }
    }
}

/// Whether a value may end here: the next byte is no letter or digit.
pub fn ends_word(text: &[u8], at: usize) -> bool {
    !text.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// Shannon entropy in bits a byte.
pub fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[byte as usize] += 1;
    }
    let total = bytes.len() as f32;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| count as f32 / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// What documents write where a value goes, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "changeme",
    "change_me",
    "change-me",
    "your",
    "placeholder",
    "redacted",
    "dummy",
    "insert",
    "replace",
    "xxxx",
    "****",
    "....",
    "${",
    "{{",
    "$(",
    "#{",
    "%s",
    "0000000",
    "fake",
    "not_real",
    "notreal",
    "todo",
];

/// Whether a value stands for another.
pub fn is_placeholder(value: &[u8]) -> bool {
    value.starts_with(b"<")
        || PLACEHOLDERS.iter().any(|word| {
            value
                .windows(word.len())
                .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        })
}

/// CRC-32 (IEEE 802.3), as GitHub and npm put it at the end of their tokens.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}

/// Decodes base64, plain or URL-safe, into a buffer; what doesn't fit is left out. `None` when a byte is none of base64's.
pub fn base64<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let (mut bits, mut count, mut length) = (0u32, 0, 0);
    let unpadded = text
        .iter()
        .rposition(|&byte| byte != b'=')
        .map_or(0, |last| last + 1);
    for &byte in &text[..unpadded] {
        bits = bits << 6 | u32::from(sextet(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            let Some(slot) = buffer.get_mut(length) else {
                break;
            };
            *slot = (bits >> count) as u8;
            length += 1;
        }
    }
    Some(&buffer[..length])
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_start_after_punctuation_and_escapes() {
        let start = |text: &str| starts_word(text.as_bytes(), text.len());
        for text in ["", " ", "_", "\"", "\\n", "\\u0022", "%3D", "에"] {
            assert!(start(text), "{text:?}");
        }
        for text in ["a", "0", "un", "u0022", "3D"] {
            assert!(!start(text), "{text:?}");
        }
    }

    #[test]
    fn checksums_and_base64() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut buffer = [0; 8];
        assert_eq!(base64(b"aGk6eW8=", &mut buffer), Some(&b"hi:yo"[..]));
        assert_eq!(base64(b"a b", &mut buffer), None);
        assert!(entropy(b"aaaa") < 0.1 && (entropy(b"abcd") - 2.0).abs() < 0.001);
    }
}
