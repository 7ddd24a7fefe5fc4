//! How a request body is read: what comes first, where the API's own structure ends, what is not text.
//!
//! Everything is text unless a table says otherwise, so that a field which a provider adds tomorrow is masked.

/// A provider's request body, as data.
pub struct Schema {
    /// Top-level keys that are numbered first, in this order, whatever order the client wrote them in.
    pub first: &'static [&'static str],
    /// The top-level key whose elements are numbered next, one by one: the conversation. All other keys follow it.
    pub turns: &'static str,
    /// Keys below which the API's structure goes on. Below any other key everything is the user's:
    /// strings, keys and numbers.
    pub structure: &'static [&'static str],
    /// Strings and numbers of the API's structure that are not text.
    pub opaque: &'static [Opaque],
    /// Keys whose string is a JSON document of its own.
    pub json_text: &'static [&'static str],
}

/// A string or number that is left alone.
pub struct Opaque {
    /// Its key.
    pub key: &'static str,
    /// Under which condition.
    pub when: When,
}

/// When an [`Opaque`] key is opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Wherever it stands in the API's structure.
    Always,
    /// In an object whose `type` is this.
    Type(&'static str),
    /// In an object that is the value of this key, if it is base64.
    Base64In(&'static str),
    /// If it is base64 and `media_type` beside it names a format without readable text.
    Base64Media,
}

/// Any JSON at all.
pub const GENERIC: Schema = Schema {
    first: &[],
    turns: "",
    structure: &[],
    opaque: &[],
    json_text: &[],
};

/// Whether content of this media type is left alone: what it shows can't be found by looking at its bytes.
pub fn is_binary_media(media_type: &str) -> bool {
    ["image/", "audio/", "video/"]
        .iter()
        .any(|family| media_type.starts_with(family))
        || media_type == "application/pdf"
}

/// Shorthand for tables: keys that are opaque always.
pub(super) const fn always(key: &'static str) -> Opaque {
    Opaque {
        key,
        when: When::Always,
    }
}
