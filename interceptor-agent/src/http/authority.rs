//! The host of an authority (RFC 3986 §3.2), where no reader takes it for another one: names as DNS has them, since others are
//! mapped by some (IDNA, percent encoding) and cut by others.

use std::net::Ipv6Addr;

/// The host of `[user@]host[:port]`: a name as [`name`] gives it, or an address without brackets and zone.
pub fn host(authority: &str) -> Option<String> {
    let (user, host) = authority.split_once('@').unwrap_or(("", authority));
    let (host, port) = match host.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal.split_once(']')?;
            let address: Ipv6Addr = address.split('%').next()?.parse().ok()?;
            (address.to_string(), port)
        }
        None => {
            let (host, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            (name(host)?, port)
        }
    };
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (port_is_good && user.bytes().all(is_of_user)).then_some(host)
}

/// A host name in lower case, without the dot that may end it.
pub fn name(host: &str) -> Option<String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!name.is_empty() && name.bytes().all(is_name)).then(|| name.to_ascii_lowercase())
}

/// RFC 3986 §3.2.1.
fn is_of_user(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}
