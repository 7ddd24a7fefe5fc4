//! What the kernel's routes say of an address. rtnetlink(7), `linux/rtnetlink.h`.

use std::{io, net::IpAddr};

use super::netlink::{Netlink, REQUEST, message};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;

/// Where the type is in `struct rtmsg`.
const TYPE_AT: usize = 7;
const RTN_LOCAL: u8 = 2;
const RTN_ANYCAST: u8 = 4;

/// Whether what is sent to this address stays on this machine, in the caller's network namespace. What has no route is nobody's.
///
/// # Errors
/// The kernel can't be asked.
pub fn is_own(address: IpAddr) -> io::Result<bool> {
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
    let request = request(address.to_canonical());
    netlink.send(|sequence| message(sequence, RTM_GETROUTE, REQUEST, &request))?;
    netlink.receive(|kind, route| {
        let of = route.get(TYPE_AT).copied();
        Some(kind == RTM_NEWROUTE && matches!(of, Some(RTN_LOCAL | RTN_ANYCAST)))
    })
}

/// `struct rtmsg`: family, and how many bits of the destination count; and the destination.
fn request(address: IpAddr) -> Vec<u8> {
    let (family, destination) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let mut request = vec![0; 12];
    request[0] = family as u8;
    request[1] = 8 * destination.len() as u8;
    request.extend((4 + destination.len() as u16).to_ne_bytes());
    request.extend(RTA_DST.to_ne_bytes());
    request.extend(destination);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_own_and_others_are_not() {
        // All of 127/8 is, though connects to it come from 127.0.0.1.
        for own in ["127.0.0.1", "127.7.0.1", "::ffff:127.0.0.1"] {
            assert!(is_own(own.parse().unwrap()).unwrap(), "{own}");
        }
        for other in ["198.51.100.7", "2001:db8::7"] {
            assert!(!is_own(other.parse().unwrap()).unwrap(), "{other}");
        }
    }
}
