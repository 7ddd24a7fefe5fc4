//! Which refusal each failure on the way becomes.

use super::{Reason, Refusal};
use crate::{
    http::{body::BodyError, coding::CodingError},
    mask::request::MaskError,
    upstream::UpstreamError,
};

impl From<CodingError> for Refusal {
    fn from(error: CodingError) -> Self {
        let reason = match error {
            CodingError::Unknown | CodingError::Broken => Reason::Undecodable,
            CodingError::TooLong(_) => Reason::BodyTooLarge,
        };
        Self::new(reason, error)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let reason = match error {
            BodyError::TooLong(_) => Reason::BodyTooLarge,
            BodyError::Stalled(_) => Reason::BodyTimeout,
            BodyError::Broken => Reason::BadRequest,
        };
        Self::new(reason, error)
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        let reason = match error {
            UpstreamError::Unreachable { .. } => Reason::Unreachable,
            UpstreamError::Untrusted { .. } => Reason::Untrusted,
            UpstreamError::Timeout { .. } => Reason::UpstreamTimeout,
            UpstreamError::Broken { .. } => Reason::UpstreamBroken,
        };
        Self::new(reason, error)
    }
}

impl From<MaskError> for Refusal {
    fn from(error: MaskError) -> Self {
        let reason = match error {
            MaskError::NotJson(_) => Reason::NotJson,
            MaskError::Blocked { .. } => Reason::BlockedClass,
            MaskError::Incomplete { .. } => Reason::Incomplete,
        };
        Self::new(reason, error)
    }
}
