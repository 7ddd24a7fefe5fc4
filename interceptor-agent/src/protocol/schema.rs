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
    /// More such keys, where they stand in their place; elsewhere they are the user's.
    pub placed: &'static [(&'static str, Place)],
    /// Keys of structure whose objects are the user's rows: the key of a string or number says what it is.
    pub rows: &'static [&'static str],
    /// Strings and numbers of the API's structure that are not text.
    pub opaque: &'static [Opaque],
    /// Keys whose string is a JSON document of its own.
    pub json_text: &'static [&'static str],
    /// Top-level keys whose lists of numbers are text to the model: a tokenizer's ids, which nobody reads here.
    pub token_ids: &'static [&'static str],
}

/// A string or number that is left alone: where the API has it, as long as it looks as it must there.
pub struct Opaque {
    /// Its key.
    pub key: &'static str,
    /// What it looks like.
    pub looks: Looks,
    /// Where it stands.
    pub place: Place,
}

/// What the value of an [`Opaque`] key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// Any text: the provider wrote it, and refuses it changed.
    Any,
    /// A word of the API's own: lower-case letters and `_`.
    Name,
    /// A number.
    Number,
    /// Base64, plain or URL-safe.
    Base64,
    /// Base64 of a file, or a `data:` URL of it, or a list of such. Media is left alone; of text, what it says is text.
    File,
    /// A `data:` URL of a file, or a list of such, as above.
    Url,
}

/// Where in the API's structure a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere.
    Anywhere,
    /// In the body itself.
    Top,
    /// In an object whose `type` is this.
    Type(&'static str),
    /// In an object that is the value of this key.
    Below(&'static str),
    /// In an object whose media type (see [`MEDIA_TYPE_KEYS`]) names a format without readable text.
    BinaryMedia,
    /// Anywhere, as long as its value is a list, or an object whose `type` is one of these.
    Blocks(&'static [&'static str]),
}

/// Any JSON at all.
pub const GENERIC: Schema = Schema {
    first: &[],
    turns: "",
    structure: &[],
    placed: &[],
    rows: &[],
    opaque: &[],
    json_text: &[],
    token_ids: &[],
};

/// Keys whose value is the media type of what stands beside it.
pub const MEDIA_TYPE_KEYS: &[&str] = &["media_type", "mimeType", "mime_type"];

/// Formats whose content is left alone: what they show can't be found by looking at their bytes.
const BINARY_MEDIA: &[&str] = &[
    "application/pdf",
    "audio/aac",
    "audio/flac",
    "audio/mp3",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "audio/x-wav",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/tiff",
    "image/webp",
    "video/mp4",
    "video/mpeg",
    "video/quicktime",
    "video/webm",
];

/// Whether this is the media type, without parameters, of a format that is left alone.
pub fn is_binary_media(media_type: &str) -> bool {
    BINARY_MEDIA.contains(&media_type)
}

/// Shorthand for tables.
pub(super) const fn opaque(key: &'static str, looks: Looks, place: Place) -> Opaque {
    Opaque { key, looks, place }
}
