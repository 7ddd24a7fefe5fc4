//! Masking messages of gRPC without their descriptors. A field of bytes may be a message, a text, or both at once: it is
//! looked at as each that it can be.

use bytes::{Bytes, BytesMut};

use super::{MaskError, MaskedBytes, Masking, Mode, Outcome};
use crate::{
    media::Media,
    protobuf::{self, GrpcError, MAX_DEPTH, Value, as_text},
};

/// Numbers of fewer digits are seeds and counts.
const LEAST_DIGITS: usize = 11;
/// Reals from here on are rounded.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Masking<'_> {
    /// Masks a body of whole messages.
    ///
    /// # Errors
    /// See [`MaskError`]; the request must not go out.
    pub fn grpc(&mut self, raw: &Bytes) -> Result<Outcome, MaskError> {
        let mut rest = &raw[..];
        let mut out = BytesMut::new();
        let mut changed = false;
        while let Some(message) = protobuf::next_message(&mut rest, usize::MAX)? {
            if protobuf::fields(message).is_none() {
                return Err(GrpcError::NotProtobuf.into());
            }
            let masked = self.message(message, self.unread, 0)?;
            changed |= masked.is_some();
            protobuf::write_message(masked.as_deref().unwrap_or(message), &mut out);
        }
        if !rest.is_empty() {
            return Err(GrpcError::Cut.into());
        }
        Ok(match changed {
            false => Outcome::Unchanged(MaskedBytes(raw.clone())),
            true => Outcome::Masked(MaskedBytes(out.freeze())),
        })
    }

    /// None if nothing changes.
    fn message(
        &mut self,
        raw: &[u8],
        unread: bool,
        depth: usize,
    ) -> Result<Option<Vec<u8>>, MaskError> {
        if depth == MAX_DEPTH {
            return Err(GrpcError::NotProtobuf.into());
        }
        let mut out = Vec::new();
        let mut copied = 0;
        for field in protobuf::fields(raw).unwrap_or_default() {
            let Value::Bytes(range) = field.value else {
                self.number(&field.value)?;
                continue;
            };
            let end = range.end;
            if let Some(masked) = self.bytes(&raw[range], unread, depth)? {
                out.extend_from_slice(&raw[copied..field.head.start]);
                protobuf::write(field.number, &masked, &mut out);
                copied = end;
            }
        }
        if copied == 0 {
            return Ok(None);
        }
        out.extend_from_slice(&raw[copied..]);
        Ok(Some(out))
    }

    fn bytes(
        &mut self,
        raw: &[u8],
        unread: bool,
        depth: usize,
    ) -> Result<Option<Vec<u8>>, MaskError> {
        let is_message = !raw.is_empty() && protobuf::fields(raw).is_some();
        let Some(text) = as_text(raw) else {
            if is_message {
                return self.message(raw, unread, depth + 1);
            }
            if Media::of_bytes(raw).is_none() && !raw.is_empty() {
                self.state.report.unreadable += 1;
                if !unread {
                    return Err(MaskError::UnreadableBytes);
                }
            }
            return Ok(None);
        };
        if !is_message {
            return Ok(self.text(text)?.map(String::into_bytes));
        }
        // What it is can't be told; as a text it must show nothing that it doesn't show as a message.
        let masked = self.message(raw, true, depth + 1)?;
        let left = masked.as_deref().unwrap_or(raw);
        let finder = self.masker.finder();
        let shows = as_text(left).and_then(|left| finder.visible(left, &self.state.numbering));
        match shows.filter(|_| self.masker.mode == Mode::Enforce) {
            Some(_) => Err(MaskError::Unmaskable),
            None => Ok(masked),
        }
    }

    /// A number can't be replaced by a token.
    fn number(&mut self, number: &Value) -> Result<(), MaskError> {
        let digits = match number {
            Value::Integer(bits) => bits.cast_signed().unsigned_abs().to_string(),
            Value::Real(real) if real.fract() == 0.0 && real.abs() < EXACT => {
                format!("{:.0}", real.abs())
            }
            _ => return Ok(()),
        };
        if digits.len() >= LEAST_DIGITS && self.text(&digits)?.is_some() {
            return Err(MaskError::Unmaskable);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
