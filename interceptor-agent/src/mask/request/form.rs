//! Masking a form: the heads of its parts, and their content where that is text. What is none has to be known media.

use bytes::Bytes;

use super::{MaskError, MaskedBytes, Masking, Outcome, find::Care};
use crate::{
    json,
    media::{Media, OCTETS},
    multipart::{self, Boundary, Part},
    protocol::schema::GENERIC,
};

impl Masking<'_> {
    /// Masks a multipart form.
    ///
    /// # Errors
    /// See [`MaskError`]; the request must not go out.
    pub fn form(&mut self, boundary: &Boundary, raw: &Bytes) -> Result<Outcome, MaskError> {
        let parts = multipart::parse(raw, boundary)?;
        self.with_care(|masking, care| masking.parts(boundary, raw, &parts, care))
    }

    fn parts(
        &mut self,
        boundary: &Boundary,
        raw: &Bytes,
        parts: &[Part],
        care: Care,
    ) -> Result<Outcome, MaskError> {
        let mut out = Vec::new();
        let mut copied = 0;
        for (number, part) in (1..).zip(parts) {
            let content = match readable(raw, part) {
                Content::Text(text) => self.content(text, care)?,
                Content::Media => None,
                Content::Unreadable if self.unread => {
                    self.state.report.unreadable += 1;
                    None
                }
                Content::Unreadable => return Err(MaskError::Unreadable { part: number }),
            };
            let length = content.as_ref().map(String::len);
            let head = self.head(&raw[part.head.clone()], length)?;
            let changes = [
                (&part.head, head.as_deref()),
                (&part.content, content.as_deref()),
            ];
            for (range, with) in changes {
                if let Some(with) = with {
                    out.extend_from_slice(&raw[copied..range.start]);
                    out.extend_from_slice(with.as_bytes());
                    copied = range.end;
                }
            }
        }
        if self.text(boundary.as_str())?.is_some() {
            return Err(MaskError::Unmaskable);
        }
        if copied == 0 {
            return Ok(Outcome::Unchanged(MaskedBytes(raw.clone())));
        }
        out.extend_from_slice(&raw[copied..]);
        // Tokens must not have made a delimiter, nor another head.
        match multipart::parse(&out, boundary) {
            Ok(again) if again.len() == parts.len() => Ok(Outcome::Masked(MaskedBytes(out.into()))),
            _ => Err(MaskError::Unmaskable),
        }
    }

    /// Masks a part's header lines; `length` is what has become of its content's. None if nothing changes.
    fn head(&mut self, head: &[u8], length: Option<usize>) -> Result<Option<String>, MaskError> {
        let head = String::from_utf8_lossy(head);
        let mut lines = Vec::new();
        for line in head.split("\r\n") {
            let name = line.split(':').next().unwrap_or_default();
            lines.push(match length {
                Some(length) if name.eq_ignore_ascii_case("content-length") => {
                    format!("{name}: {length}")
                }
                _ => self.text(line)?.unwrap_or_else(|| line.to_owned()),
            });
        }
        let masked = lines.join("\r\n");
        Ok((masked != head).then_some(masked))
    }

    /// Masks what a part holds: JSON line by line, JSON as a whole, or text.
    fn content(&mut self, text: &str, care: Care) -> Result<Option<String>, MaskError> {
        if text.trim_ascii_start().starts_with(['{', '[']) {
            if lines(text).all(|(_, line)| json::parse(line.as_bytes()).is_ok()) {
                return self.pass(care, |pass| pass.lines(text));
            }
            if let Ok(doc) = json::parse(text.as_bytes()) {
                return self.pass(care, |pass| pass.body(&doc, &GENERIC));
            }
        }
        self.pass(care.max(Care::Thorough), |pass| pass.text(text))
    }
}

/// The lines that are not blank, and where each begins.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let start = next;
        next += line.len();
        (start, line)
    });
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// What a part holds.
enum Content<'b> {
    Text(&'b str),
    /// A format that is left alone.
    Media,
    Unreadable,
}

/// Text is text under any name: what could be read as text is. A zero byte is none of UTF-8 text, but every other one of
/// UTF-16, which would be passed over.
fn readable<'b>(raw: &'b [u8], part: &Part) -> Content<'b> {
    let content = &raw[part.content.clone()];
    let text = std::str::from_utf8(content).ok();
    let text = text.filter(|text| part.is_utf8 && !text.contains('\0'));
    let kind = Media::of_bytes(content);
    let said = match part.media_type.as_deref() {
        None | Some(OCTETS) => kind,
        Some(name) => Media::of_type(name),
    };
    match text {
        Some(text) => Content::Text(text),
        None if kind.is_some() && kind == said => Content::Media,
        None => Content::Unreadable,
    }
}

#[cfg(test)]
mod tests;
