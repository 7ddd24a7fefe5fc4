//! Files in a string, in base64 or in a `data:` URL of it: media, which stays, or text, which is masked as what it reads.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    json::{Kind, Value},
    media::Media,
    protocol::schema::{Looks, is_binary_media},
};

/// What a `data:` URL begins with.
const SCHEME: &str = "data:";

/// What the provider decodes. Other bytes than these are no file to us.
pub(super) enum File {
    /// It begins as a format that is left alone; or a list of such.
    Media,
    /// UTF-8.
    Text(TextFile),
}

/// A file of text.
pub(super) struct TextFile {
    /// `data:…;base64,`, or nothing.
    pub head: String,
    /// As it reads.
    pub text: String,
    is_url_safe: bool,
    is_padded: bool,
}

impl File {
    /// The file that a value of the request is, where a `data:` URL is asked for or may be.
    pub fn of(value: Value, looks: Looks) -> Option<Self> {
        match value.kind() {
            Kind::String => {
                let text = value.text()?;
                let may_be = looks == Looks::File || text.starts_with(SCHEME);
                Self::of_text(&text).filter(|_| may_be)
            }
            Kind::Array => value
                .items()
                .all(|item| matches!(Self::of(item, looks), Some(Self::Media)))
                .then_some(Self::Media),
            _ => None,
        }
    }

    /// A text is one whatever it begins as: `GIF89a` is one, too.
    fn of_text(text: &str) -> Option<Self> {
        let (head, digits) = cut(text)?;
        let Some(text) = text_in(digits) else {
            return is_media(head, digits).then_some(Self::Media);
        };
        let is_url_safe = digits.contains(['-', '_']);
        let count = digits.len() - breaks(digits);
        Some(Self::Text(TextFile {
            head: head.to_owned(),
            text,
            is_url_safe,
            is_padded: digits.ends_with('=') || count.is_multiple_of(4) && !is_url_safe,
        }))
    }
}

impl TextFile {
    /// This one with another text, behind another head.
    pub fn with(&self, head: &str, text: &str) -> String {
        let alphabet = match self.is_url_safe {
            true => &alphabet::URL_SAFE,
            false => &alphabet::STANDARD,
        };
        let config = GeneralPurposeConfig::new().with_encode_padding(self.is_padded);
        head.to_owned() + &GeneralPurpose::new(alphabet, config).encode(text)
    }
}

/// What stands before the digits, and the digits. A head that JSON would write with escapes is none.
fn cut(text: &str) -> Option<(&str, &str)> {
    const MARK: &str = ";base64,";
    let head = match text.starts_with(SCHEME) {
        true => text.find(MARK)? + MARK.len(),
        false => 0,
    };
    let (head, digits) = text.split_at(head);
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    (head.bytes().all(plain) && digits.bytes().all(is_digit)).then_some((head, digits))
}

/// Whether this is a digit of base64, of its padding, or a line break.
pub(super) fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'+' | b'/' | b'=' | b'-' | b'_' | b'\r' | b'\n')
}

fn breaks(digits: &str) -> usize {
    let is_break = |byte: &u8| b"\r\n".contains(byte);
    digits.bytes().filter(is_break).count()
}

/// The UTF-8 that the digits stand for, if there is any.
fn text_in(digits: &str) -> Option<String> {
    // Media shows by its beginning that it is none.
    let beginning = decoded(beginning(digits))?;
    let cut_short = |error: std::str::Utf8Error| error.error_len().is_none();
    if beginning.contains(&0) || str::from_utf8(&beginning).is_err_and(|error| !cut_short(error)) {
        return None;
    }
    // Every other byte of UTF-16 is a zero, and what stands in it would be passed over.
    let text = String::from_utf8(decoded(digits)?).ok();
    text.filter(|text| !text.is_empty() && !text.contains('\0'))
}

/// Whether base64 begins as media, and a `data:` URL of it says so and nothing beside.
fn is_media(head: &str, digits: &str) -> bool {
    let media_type = head
        .strip_prefix(SCHEME)
        .and_then(|rest| rest.strip_suffix(";base64,"));
    media_type.is_none_or(is_binary_media)
        && decoded(beginning(digits)).is_some_and(|bytes| Media::of_bytes(&bytes).is_some())
}

/// Digits enough for every mark of [`Media`].
fn beginning(digits: &str) -> &str {
    &digits[..digits.len().min(1024)]
}

/// Either alphabet, with or without padding and line breaks.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|byte| !b"\r\n".contains(byte))
        .map(standard)
        .collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config)
        .decode(digits)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str) -> Option<TextFile> {
        match File::of_text(written)? {
            File::Text(file) => Some(file),
            File::Media => None,
        }
    }

    #[test]
    fn a_text_may_be_long_and_cut_within_a_letter() {
        for shift in 0..3 {
            let long = "x".repeat(shift) + &"\u{20ac}".repeat(1000);
            let written = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());
            assert_eq!(text(&written.encode(&long)).unwrap().text, long);
        }
    }

    #[test]
    fn a_text_is_written_as_it_was() {
        for written in [
            "YWJj",
            "YWI=",
            "YWI",
            "Pz8_YQ",
            "Pz8/YQ==",
            "data:text/csv;charset=utf-8;base64,YWI=",
        ] {
            let file = text(written).unwrap();
            assert_eq!(file.with(&file.head, &file.text), written);
        }
        let file = text("YWJj\r\nZGU\n").unwrap();
        assert_eq!((&*file.text, &*file.with("", "abcd")), ("abcde", "YWJjZA"));
    }

    #[test]
    fn bytes_that_are_no_text_are_none() {
        // UTF-16, Latin-1, an archive, no base64, cut, nothing.
        for written in [
            "YQBiAA==",
            "Q2Fm6Q==",
            "UEsDBP8=",
            "a b",
            "a",
            "",
            "data:,YWJj",
        ] {
            assert!(File::of_text(written).is_none(), "{written}");
        }
        assert!(text("data:a\"b;base64,YWJj").is_none());
    }

    #[test]
    fn media_is_what_begins_so() {
        let is_media = |text: &str| matches!(File::of_text(text), Some(File::Media));
        let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";
        assert!(is_media(png));
        assert!(is_media(&png.repeat(100)));
        assert!(is_media("JVBERi0xLjcKJeLjz9MK"));
        assert!(!is_media("JVBERi0xLjcK"), "a text");
        assert!(is_media(&format!("data:image/png;base64,{png}")));
        assert!(!is_media(&format!(
            "data:image/png;name=10.0.0.1;base64,{png}"
        )));
        assert!(!is_media(&format!("{png} 10.0.0.1")));
        assert!(!is_media("data:image/png;base64,YWJj"));
    }
}
