//! Whether a value looks made by a machine, or chosen by somebody as a password.

use super::check::{entropy, is_placeholder};

/// Whether a value looks made by a generator: long and random, letters and digits mixed as in no word.
pub fn is_generated(value: &[u8]) -> bool {
    const LEAST: usize = 10;
    value.len() >= LEAST
        && value.iter().all(|byte| byte.is_ascii_graphic())
        && !is_placeholder(value)
        && (is_number(value) || (is_mixed(value) || is_shuffled(value)) && entropy(value) >= 2.9)
}

/// Whether a value of a vendor's own shape is one: a number, or letters and digits that are no words.
pub fn is_key(value: &[u8]) -> bool {
    let mut words = value.split(|byte| !byte.is_ascii_alphanumeric());
    let mixed = value.iter().any(u8::is_ascii_digit) && words.any(|word| !is_word(word));
    !is_placeholder(value) && (mixed || is_number(value) || is_shuffled(value))
}

/// Numbers as long as this are ids and keys; shorter ones are times and sizes.
fn is_number(value: &[u8]) -> bool {
    value.len() >= 16 && value.iter().all(u8::is_ascii_digit) && entropy(value) >= 2.0
}

/// Whether capitals and small letters alternate beyond what `camelCase` does.
fn is_shuffled(value: &[u8]) -> bool {
    let turns = value.windows(2).filter(|pair| {
        pair.iter().all(u8::is_ascii_alphabetic)
            && pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase()
    });
    value.len() >= 16 && turns.count() * 5 >= value.len() * 2
}

/// Whether letters and digits alternate beyond what words, versions, dates and paths do.
fn is_mixed(value: &[u8]) -> bool {
    const SURE: usize = 16;
    // The digits of `%3D` are none of a word's.
    let words = value
        .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'%')
        .flat_map(|part| {
            let escaped = |index: usize, word| if index == 0 { word } else { unescaped(word) };
            let words = part.split(|byte| *byte == b'%').enumerate();
            words.map(move |(index, word)| escaped(index, word))
        });
    let mixed = words
        .filter(|word| !is_word(word))
        .map(<[u8]>::len)
        .sum::<usize>();
    let groups = value
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() && !pair[1].is_ascii_digit())
        .count()
        + usize::from(value.last().is_some_and(u8::is_ascii_digit));
    let date = matches!(value, [b'1' | b'2', a, b, c, b'-' | b'/', d, e, ..] if [a, b, c, d, e].iter().all(|byte| byte.is_ascii_digit()));
    let address = value.windows(3).any(|part| part == b"://");
    mixed >= 5
        && mixed * 3 >= value.len()
        && (groups >= 2 || value.len() >= SURE)
        && !date
        && !address
}

/// What is behind the two digits of a percent escape, if there are any.
fn unescaped(word: &[u8]) -> &[u8] {
    match word {
        [high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
        _ => word,
    }
}

/// Whether it is what programs write for types: names of some, which may have a module's before them or others beside them.
pub fn is_type(value: &[u8]) -> bool {
    let parts = || {
        let parts = value.split(|byte| b".:|".contains(byte));
        parts.filter(|part| !part.is_empty())
    };
    let is_module = |part: &[u8]| {
        (is_word(part) || is_identifier(part)) && !part.iter().any(u8::is_ascii_uppercase)
    };
    parts().all(|part| is_type_name(part) || is_module(part))
        && parts().next_back().is_some_and(is_type_name)
}

/// Whether it could be a name in a program: letters, `_`, and few digits, none in front, in words that are none of two letters.
pub fn is_identifier(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let starts_word = |pair: &&[u8]| {
        pair[0] == b'_' || pair[1].is_ascii_uppercase() && !pair[0].is_ascii_uppercase()
    };
    let words = 1 + value.windows(2).filter(starts_word).count();
    value
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !value[0].is_ascii_digit()
        && digits * 5 <= value.len()
        && words * 3 <= value.len()
}

/// Whether it is capitalized words, of which some end in digits.
fn is_type_name(value: &[u8]) -> bool {
    let capitals = value
        .iter()
        .filter(|byte| byte.is_ascii_uppercase())
        .count();
    value.iter().all(u8::is_ascii_alphanumeric)
        && value[0].is_ascii_uppercase()
        && capitals * 3 <= value.len()
        && !value
            .windows(2)
            .any(|pair| pair[0].is_ascii_digit() && pair[1].is_ascii_lowercase())
}

/// Letters, then digits: what people call things.
fn is_word(word: &[u8]) -> bool {
    let letters = word
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    word[letters..].iter().all(u8::is_ascii_digit)
}

/// Whether a value could be a password that somebody chose: letters and, beside them, digits or signs.
pub fn is_chosen(value: &[u8], quoted: bool) -> bool {
    let letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let signs = value
        .iter()
        .filter(|byte| b"!@#$%^&*+=?~".contains(byte))
        .count();
    let least = if quoted { 6 } else { 8 };
    (least..=64).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_graphic())
        && !b"$%{<[(/.&*".contains(&value[0])
        && !is_placeholder(value)
        && letters >= 3
        && digits > 0
        && (signs > 0 || quoted || !is_word(value))
        && !value
            .windows(2)
            .any(|pair| pair == b"()" || pair == b"::" || pair == b"//")
        && entropy(value) >= 2.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_values_are_told_from_words() {
        for text in [
            "pisvcviijaakb1auy",
            "a4scip1f8rylli",
            "12345678-ABCD-ABCD-ABCD-1234567890AB",
            "f087c4f5:bf06a3c9",
            "668227192844559077",
        ] {
            assert!(is_generated(text.as_bytes()), "{text}");
        }
        for text in [
            "base64encode",
            "SCRAM-SHA-256-PLUS",
            "rc0.13.0_20230412_0712-SNAPSHOT",
            "2024-06-05T09:15:30Z",
            "config.token2.value3",
            "/tmp/app1/cert.p12",
            "https://a1b2c3d4e5f6.example",
            "changeme123456",
            "secret%3Dpassword",
            "your1api2key3here4",
            "1700000000000",
            "a1a1a1a1a1a1a1a1",
        ] {
            assert!(!is_generated(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn types_are_told_from_values() {
        for text in [
            "Ed25519PrivateKey",
            "ed25519.Ed25519PrivateKey",
            "oauth2client.client.OAuth2Credentials",
            "Ed448PublicKey|Ed25519PublicKey",
        ] {
            assert!(is_type(text.as_bytes()), "{text}");
        }
        for text in ["Sk94HG7f6KB", "ed25519", "Key1.a8f5f167f44f", "|"] {
            assert!(!is_type(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn names_in_programs_are_told_from_values() {
        for text in [
            "fts5V1toV2Tokenize",
            "MSV1_0_PROTOCOL_TYPE",
            "_bindgen_ty_30",
        ] {
            assert!(is_identifier(text.as_bytes()), "{text}");
        }
        for text in [
            concat!("aGkTzRvb3", "WmPa7LdYfGh"),
            "2fa",
            "a-b",
            "q1w2e3r4",
        ] {
            assert!(!is_identifier(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn chosen_passwords_are_told_from_names() {
        for (text, quoted) in [
            ("hunter2", true),
            ("Winter2024!", false),
            ("s3cr3t_pw", true),
        ] {
            assert!(is_chosen(text.as_bytes(), quoted), "{text}");
        }
        for (text, quoted) in [
            ("hunter", true),
            ("password2", false),
            ("${PASSWORD1}", true),
            ("f1()", true),
        ] {
            assert!(!is_chosen(text.as_bytes(), quoted), "{text}");
        }
    }
}
