//! Which refusal each failure on the way becomes.

use super::{Reason, Refusal};
use crate::{
    analyzer::AnalyzerError,
    audit::Unwritable,
    http::{answer::AnswerError, body::BodyError, coding::CodingError},
    mask::{request::MaskError, response::UnmaskError},
    upstream::{BrokenAnswer, UpstreamError},
    vault,
};

impl From<vault::Unavailable> for Refusal {
    fn from(_: vault::Unavailable) -> Self {
        Reason::Vault.into()
    }
}

impl From<Unwritable> for Refusal {
    fn from(_: Unwritable) -> Self {
        Reason::Audit.into()
    }
}

impl From<CodingError> for Refusal {
    fn from(error: CodingError) -> Self {
        let reason = match error {
            CodingError::Unknown | CodingError::Broken => Reason::Undecodable,
            CodingError::TooLong(_) => Reason::BodyTooLarge,
        };
        Self::new(reason, error)
    }
}

impl From<AnalyzerError> for Refusal {
    fn from(error: AnalyzerError) -> Self {
        Self::new(Reason::Analyzer, error)
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
            UpstreamError::NoPort => Reason::NoPort,
            UpstreamError::Untrusted { .. } => Reason::Untrusted,
            UpstreamError::Timeout { .. } => Reason::UpstreamTimeout,
            UpstreamError::Broken { .. } => Reason::UpstreamBroken,
        };
        Self::new(reason, error)
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        // A decoder passes on what it could not read as the source of its own error.
        let mut cause: Option<&dyn std::error::Error> = Some(error.as_ref());
        while let Some(error) = cause {
            if error.is::<vault::Unavailable>() {
                return Reason::Vault.into();
            }
            match error.downcast_ref() {
                Some(BrokenAnswer::Connection(_)) => {
                    return Self::new(Reason::UpstreamBroken, error);
                }
                Some(BrokenAnswer::Stalled(_)) => return Self::new(Reason::UpstreamTimeout, error),
                None => {}
            }
            if let Some(&error) = error.downcast_ref::<UnmaskError>() {
                return error.into();
            }
            cause = error.source();
        }
        Self::new(Reason::BadAnswer, error)
    }
}

impl From<UnmaskError> for Refusal {
    fn from(error: UnmaskError) -> Self {
        let reason = match error {
            UnmaskError::Blocked { .. } => Reason::BlockedAnswer,
            _ => Reason::BadAnswer,
        };
        Self::new(reason, error)
    }
}

impl From<MaskError> for Refusal {
    fn from(error: MaskError) -> Self {
        let (reason, class) = match error {
            MaskError::NotJson(_) => (Reason::NotJson, None),
            MaskError::NotForm(_) => (Reason::NotForm, None),
            MaskError::NotGrpc(_) => (Reason::NotGrpc, None),
            MaskError::Unreadable { .. } | MaskError::UnreadableBytes | MaskError::TokenIds => {
                (Reason::Unreadable, None)
            }
            MaskError::Unmaskable => (Reason::Unmaskable, None),
            MaskError::Blocked { class } => (Reason::BlockedClass, Some(class)),
            MaskError::Incomplete { class } => (Reason::Incomplete, Some(class)),
        };
        Self {
            class,
            ..Self::new(reason, error)
        }
    }
}
