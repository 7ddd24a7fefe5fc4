//! Which paths a provider has and which strings of a body are text. Pure: knows no HTTP client and no TLS.

pub mod anthropic;
pub mod openai;
