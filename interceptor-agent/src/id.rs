//! The correlation id that joins an answer, a log line and an audit event.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;

static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
static NEXT: AtomicU64 = AtomicU64::new(1);

/// `ic-` and 16 hexadecimal digits: unique in this process, unlikely to repeat in another; it is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(u64);

impl Id {
    /// A fresh id.
    #[expect(clippy::new_without_default, reason = "each call gives another one")]
    pub fn new() -> Self {
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        // An odd multiplier spreads consecutive numbers over all bits and maps no two to one.
        Self(START.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static("ic"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ic-{:016x}", self.0)
    }
}
