//! One form for both families.

/// An IP address as 16 network-order bytes in four words; IPv4 is v4-mapped (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub [u32; 4]);

impl Address {
    const MAPPED: u32 = 0xffff_u32.to_be();

    /// `::1`
    pub const LOOPBACK_V6: Self = Self([0, 0, 0, 1_u32.to_be()]);
    /// `::ffff:127.0.0.1`
    pub const LOOPBACK_V4: Self = Self::v4(0x7f00_0001_u32.to_be());

    /// Whether it is one of the addresses at which the agent listens, or none: a connect to `0.0.0.0` or `::` goes to loopback
    /// (`ip_route_connect`, `tcp_v6_connect`).
    #[inline(always)]
    pub const fn leads_to_agent(self) -> bool {
        match self.as_v4() {
            Some(v4) => v4 == 0 || v4 == 0x7f00_0001_u32.to_be(),
            None => {
                let [a, b, c, last] = self.0;
                a | b | c == 0 && (last == 0 || last == 1_u32.to_be())
            }
        }
    }

    /// An IPv4 address given as its four network-order bytes.
    #[inline(always)]
    pub const fn v4(network_order: u32) -> Self {
        Self([0, 0, Self::MAPPED, network_order])
    }

    /// The IPv4 address's four network-order bytes, if this is one.
    #[inline(always)]
    pub const fn as_v4(self) -> Option<u32> {
        match self.0 {
            [0, 0, Self::MAPPED, v4] => Some(v4),
            _ => None,
        }
    }

    /// Whether it is loopback, link-local or unspecified: what can't be an LLM host (RFC 6890).
    #[inline(always)]
    pub const fn is_local(self) -> bool {
        match self.as_v4() {
            Some(v4) => {
                let [a, b, ..] = v4.to_ne_bytes();
                a == 127 || (a == 169 && b == 254) || v4 == 0
            }
            None => {
                let [first, .., last] = self.0;
                let link_local = first & 0xffc0_0000_u32.to_be() == 0xfe80_0000_u32.to_be();
                let (zeros, one) = (first | self.0[1] | self.0[2] == 0, 1_u32.to_be());
                link_local || (zeros && (last == 0 || last == one))
            }
        }
    }

    /// Whether it is an IPv6 multicast address (RFC 4291 §2.7).
    #[inline(always)]
    pub const fn is_multicast_v6(self) -> bool {
        self.0[0] & 0xff00_0000_u32.to_be() == 0xff00_0000_u32.to_be()
    }

    /// The 16 network-order bytes.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d] = self.0;
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.to_ne_bytes(), b.to_ne_bytes());
        let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (c.to_ne_bytes(), d.to_ne_bytes());
        [
            a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3,
        ]
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(ip: core::net::IpAddr) -> Self {
        let octets = match ip {
            core::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            core::net::IpAddr::V6(v6) => v6.octets(),
        };
        let word =
            |i: usize| u32::from_ne_bytes([octets[i], octets[i + 1], octets[i + 2], octets[i + 3]]);
        Self([word(0), word(4), word(8), word(12)])
    }
}

impl From<Address> for core::net::IpAddr {
    fn from(address: Address) -> Self {
        core::net::Ipv6Addr::from(address.octets()).to_canonical()
    }
}
