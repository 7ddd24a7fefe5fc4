//! Files in a string, in base64 or in a `data:` URL of it: media, which stays, or text, which is masked as what it reads.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    json::{Kind, Value},
    media::Media,
    protocol::schema::is_binary_media,
};

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
    /// The file that a value of the request is.
    pub fn of(value: Value) -> Option<Self> {
        match value.kind() {
            Kind::String => Self::of_text(&value.text()?),
            Kind::Array => value
                .items()
                .all(|item| matches!(Self::of(item), Some(Self::Media)))
                .then_some(Self::Media),
            _ => None,
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        if is_media(text) {
            return Some(Self::Media);
        }
        let (head, digits) = cut(text)?;
        let bytes = decoded(digits)?;
        let text = String::from_utf8(bytes).ok();
        // Every other byte of UTF-16 is a zero, and what stands in it would be passed over.
        let text = text.filter(|text| !text.is_empty() && !text.contains('\0'))?;
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
    let head = match text.starts_with("data:") {
        true => text.find(MARK)? + MARK.len(),
        false => 0,
    };
    let (head, digits) = text.split_at(head);
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    (head.bytes().all(plain) && digits.bytes().all(is_digit)).then_some((head, digits))
}

/// Whether this is a digit of base64, of its padding, or a line break.
pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_\r\n".contains(&byte)
}

fn breaks(digits: &str) -> usize {
    let is_break = |byte: &u8| b"\r\n".contains(byte);
    digits.bytes().filter(is_break).count()
}

/// Whether this is base64 that begins as media, or a `data:` URL of such, which says nothing beside.
pub(super) fn is_media(text: &str) -> bool {
    /// Digits enough for every mark of [`Media`].
    const BEGINNING: usize = 32;
    let Some((head, digits)) = cut(text) else {
        return false;
    };
    let media_type = head
        .strip_prefix("data:")
        .and_then(|rest| rest.strip_suffix(";base64,"));
    let begins = digits.len().min(BEGINNING);
    media_type.is_none_or(is_binary_media)
        && decoded(&digits[..begins]).is_some_and(|bytes| Media::of_bytes(&bytes).is_some())
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
        let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";
        assert!(is_media(png));
        assert!(is_media("JVBERi0xLjcKJeLjz9MK"));
        assert!(is_media(&format!("data:image/png;base64,{png}")));
        assert!(!is_media(&format!(
            "data:image/png;name=10.0.0.1;base64,{png}"
        )));
        assert!(!is_media(&format!("{png} 10.0.0.1")));
        assert!(!is_media("data:image/png;base64,YWJj"));
    }
}
