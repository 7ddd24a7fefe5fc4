//! The configuration: what the user wrote, and what is ready to use.

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// First address.
    pub addr: std::net::IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}
