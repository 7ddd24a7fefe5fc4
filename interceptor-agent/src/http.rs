//! HTTP between the client's connection and the provider's: heads, bodies, codings. Knows no masking.

pub mod answer;
pub mod authority;
pub mod body;
pub mod coding;
pub mod framing;
pub mod head;
pub mod head_guard;
