//! TLS on both sides: the CA, its leaves, the ClientHello, and the verified upstream client.

pub mod ca;
pub mod client_hello;
pub mod leaf;
pub mod upstream;
