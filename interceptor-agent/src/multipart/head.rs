//! The head of a part, and parameters as in `form-data; name="file"`.

use super::FormError;

/// What a part's head says.
#[derive(Default)]
pub(super) struct Fields {
    /// As it is written.
    pub length: Option<String>,
    pub media_type: Option<String>,
    pub is_utf8: bool,
}

/// Reads a head that begins at `base` of the form.
pub(super) fn fields(head: &[u8], base: usize) -> Result<Fields, FormError> {
    let bad = |at| FormError::Head(base + at);
    let text = std::str::from_utf8(head).map_err(|error| bad(error.valid_up_to()))?;
    let (mut disposition, mut coding) = (false, false);
    let mut fields = Fields {
        is_utf8: true,
        ..Fields::default()
    };
    let mut at = 0;
    for line in text.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(bad(at))?;
        if !is_token(name) || line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(bad(at));
        }
        let plain = value.trim_matches([' ', '\t']);
        let again = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => {
                is_disposition(plain).then_some(()).ok_or(bad(at))?;
                std::mem::replace(&mut disposition, true)
            }
            "content-type" => {
                let (media_type, is_utf8) = media_type(plain).ok_or(bad(at))?;
                fields.is_utf8 = is_utf8;
                fields.media_type.replace(media_type).is_some()
            }
            "content-length" => fields.length.replace(plain.to_owned()).is_some(),
            "content-transfer-encoding" => {
                let as_it_is = ["binary", "8bit", "7bit"];
                if !as_it_is.iter().any(|name| plain.eq_ignore_ascii_case(name)) {
                    return Err(FormError::Coded(base + at));
                }
                std::mem::replace(&mut coding, true)
            }
            _ => true,
        };
        if again {
            return Err(bad(at));
        }
        at += line.len() + 2;
    }
    disposition.then_some(fields).ok_or(bad(0))
}

/// `form-data` with one name and at most one file name. RFC 7578 §4.2 forbids `filename*`, which readers know or don't.
fn is_disposition(value: &str) -> bool {
    let (kind, rest) = value.split_once(';').unwrap_or((value, ""));
    let (mut names, mut files) = (0, 0);
    let known = parameters(rest).is_some_and(|parameters| {
        parameters.iter().all(|(name, _)| {
            names += usize::from(name.eq_ignore_ascii_case("name"));
            files += usize::from(name.eq_ignore_ascii_case("filename"));
            names + files > 0
                && (name.eq_ignore_ascii_case("name") || name.eq_ignore_ascii_case("filename"))
        })
    });
    kind.trim().eq_ignore_ascii_case("form-data") && known && names == 1 && files <= 1
}

/// The type without parameters, and whether its text is UTF-8.
fn media_type(value: &str) -> Option<(String, bool)> {
    let (essence, rest) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim();
    let (kind, name) = essence.split_once('/')?;
    // Parts of parts are nobody's upload.
    if !is_token(kind) || !is_token(name) || kind.eq_ignore_ascii_case("multipart") {
        return None;
    }
    let mut charsets = parameters(rest)?
        .into_iter()
        .filter_map(|(name, value)| name.eq_ignore_ascii_case("charset").then_some(value));
    let is_utf8 = charsets.all(|charset| {
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
    });
    Some((essence.to_ascii_lowercase(), is_utf8))
}

/// `; name=value; name="value"`, the first `;` already taken. A quote behind a backslash ends the value for some
/// readers and not for others, so it is not read at all.
pub(super) fn parameters(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find([';', ' ', '\t']).unwrap_or(value.len())),
        };
        let is_quoted = rest[name.len() + 1..].starts_with('"');
        if !is_token(name) || value.ends_with('\\') || !(is_quoted || is_token(value)) {
            return None;
        }
        parameters.push((name, value));
        rest = behind.trim_matches([' ', '\t']);
        if !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start_matches([' ', '\t']);
            if rest.is_empty() {
                return None;
            }
        }
    }
    Some(parameters)
}

/// A token of RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
