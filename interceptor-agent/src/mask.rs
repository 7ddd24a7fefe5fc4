//! Finding what policy names in text and replacing it by tokens, and the way back. Knows no HTTP and no TLS.

pub mod decode;
pub mod detector;
pub mod request;
pub mod response;
pub mod token;
pub mod unmask;
