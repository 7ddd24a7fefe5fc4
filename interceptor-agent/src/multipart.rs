//! multipart/form-data cut into parts, as byte ranges of the body (RFC 7578, RFC 2046 §5.1).
//!
//! Strict: a body that two readers could cut in different ways is an error, so that no text hides where another
//! reader sees a part of its own. The boundary stands nowhere but in delimiters, and only headers that are
//! understood may stand in a part's head.

mod head;

use std::ops::Range;

use memchr::memmem;

/// Most parts of a form; nobody's honest upload has more.
pub const MAX_PARTS: usize = 1000;

/// Why a form was refused; the side that sent it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The `Content-Type` names no boundary, several, or one that RFC 2046 doesn't allow.
    #[error("its Content-Type has no plain boundary")]
    Boundary,
    /// Bytes outside of parts, or a boundary that is no whole delimiter.
    #[error("not cut into parts by its boundary at byte {0}")]
    Delimiter(usize),
    /// More than [`MAX_PARTS`].
    #[error("of more than {MAX_PARTS} parts")]
    TooManyParts,
    /// A part's head can be read in several ways, or has a header that is not known.
    #[error(
        "a part's head is not plain at byte {0}: Content-Disposition, Content-Type, Content-Length"
    )]
    Head(usize),
    /// A part that is coded.
    #[error("a part is coded by a Content-Transfer-Encoding at byte {0}")]
    Coded(usize),
}

/// The text between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// The boundary of a `Content-Type` value; `None`: it is not multipart/form-data.
    ///
    /// # Errors
    /// [`FormError::Boundary`].
    pub fn of_content_type(value: &str) -> Result<Option<Self>, FormError> {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Ok(None);
        }
        let mut boundary = None;
        for (name, value) in head::parameters(parameters).ok_or(FormError::Boundary)? {
            match name.to_ascii_lowercase().as_str() {
                "boundary" if boundary.is_none() => boundary = Some(value),
                "charset" if value.eq_ignore_ascii_case("utf-8") => {}
                _ => return Err(FormError::Boundary),
            }
        }
        let boundary = boundary.filter(|text| is_boundary(text));
        boundary
            .map(|text| Some(Self(text.to_owned())))
            .ok_or(FormError::Boundary)
    }

    /// The boundary itself, without the dashes before it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `bchars` of RFC 2046, of which a space may not stand here: some readers trim.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte))
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its header lines, without the empty one behind them.
    pub head: Range<usize>,
    /// Its `Content-Type` without parameters, in lower case.
    pub media_type: Option<String>,
    /// Whether its text is UTF-8, as far as it says.
    pub is_utf8: bool,
    /// What it holds.
    pub content: Range<usize>,
}

/// Cuts a form into its parts.
///
/// # Errors
/// See [`FormError`].
pub fn parse(raw: &[u8], boundary: &Boundary) -> Result<Vec<Part>, FormError> {
    let mark = format!("--{}", boundary.0);
    let mut parts = Vec::new();
    // Behind the delimiter of the part that is open.
    let mut open = None;
    for at in memmem::find_iter(raw, &mark) {
        let behind = &raw[at + mark.len()..];
        let (begins, ends) = (
            behind.starts_with(b"\r\n"),
            matches!(behind, b"--" | b"--\r\n"),
        );
        let in_place = match open {
            None => at == 0,
            Some(start) => at >= start + 2 && raw[..at].ends_with(b"\r\n"),
        };
        if !in_place || !(begins || ends) {
            return Err(FormError::Delimiter(at));
        }
        if let Some(start) = open {
            parts.push(part(raw, start..at - 2)?);
        }
        if parts.len() > MAX_PARTS {
            return Err(FormError::TooManyParts);
        }
        if ends {
            return Ok(parts);
        }
        open = Some(at + mark.len() + 2);
    }
    Err(FormError::Delimiter(raw.len()))
}

fn part(raw: &[u8], range: Range<usize>) -> Result<Part, FormError> {
    let end = memmem::find(&raw[range.clone()], b"\r\n\r\n");
    let end = range.start + end.ok_or(FormError::Head(range.start))?;
    let (head, content) = (range.start..end, end + 4..range.end);
    let fields = head::fields(&raw[head.clone()], head.start)?;
    if fields
        .length
        .is_some_and(|length| length != content.len().to_string())
    {
        return Err(FormError::Head(head.start));
    }
    Ok(Part {
        head,
        media_type: fields.media_type,
        is_utf8: fields.is_utf8,
        content,
    })
}

#[cfg(test)]
mod tests;
