//! Addresses in DNS answers (RFC 1035 §4.1, RFC 9460 §2.2), read from messages that anybody may have sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER: usize = 12;

/// Names and records of an answer are few; what would be more is not looked at.
const MAX_RECORDS: u16 = 64;

/// Longest name on the wire (RFC 1035 §2.3.4).
const MAX_NAME: usize = 255;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const INTERNET: u16 = 1;

const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// Every address in the answer if a name in it is wanted: the one asked for, an alias, or what it leads to.
/// What is broken or cut ends the reading.
pub fn addresses(message: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<IpAddr> {
    let (mut found, mut is_wanted) = (Vec::new(), false);
    // What came before the end is as good as if it had not been cut.
    let _ = read(message, |name| is_wanted |= wanted(name), &mut found);
    if is_wanted { found } else { Vec::new() }
}

fn read(message: &[u8], mut named: impl FnMut(&str), found: &mut Vec<IpAddr>) -> Option<()> {
    let mut rest = Reader { message, at: 4 };
    let (questions, answers) = (rest.u16()?, rest.u16()?);
    rest.at = HEADER;
    for _ in 0..questions.min(MAX_RECORDS) {
        named(&rest.name()?);
        rest.bytes(4)?;
    }
    for _ in 0..answers.min(MAX_RECORDS) {
        named(&rest.name()?);
        let (kind, class) = (rest.u16()?, rest.u16()?);
        let _ttl = rest.bytes(4)?;
        let length = usize::from(rest.u16()?);
        let (begin, data) = (rest.at, rest.bytes(length)?);
        let mut add = |address| found.push(address);
        match kind {
            _ if class != INTERNET => {}
            A | AAAA => each(data, kind == A, &mut add),
            CNAME => named(&Reader { message, at: begin }.name()?),
            SVCB | HTTPS => hints(data, &mut add)?,
            _ => {}
        }
    }
    Some(())
}

/// Priority, a target without pointers, then parameters.
fn hints(data: &[u8], add: &mut impl FnMut(IpAddr)) -> Option<()> {
    let mut rest = Reader {
        message: data,
        at: 2,
    };
    rest.name()?;
    while rest.at < data.len() {
        let (key, length) = (rest.u16()?, rest.u16()?);
        let value = rest.bytes(usize::from(length))?;
        match key {
            IPV4_HINT | IPV6_HINT => each(value, key == IPV4_HINT, add),
            _ => {}
        }
    }
    Some(())
}

/// Addresses that stand one after the other.
fn each(bytes: &[u8], is_v4: bool, add: &mut impl FnMut(IpAddr)) {
    match is_v4 {
        true => bytes
            .as_chunks()
            .0
            .iter()
            .for_each(|octets: &[u8; 4]| add(Ipv4Addr::from(*octets).into())),
        false => bytes
            .as_chunks()
            .0
            .iter()
            .for_each(|octets: &[u8; 16]| add(Ipv6Addr::from(*octets).into())),
    }
}

struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn bytes(&mut self, length: usize) -> Option<&'m [u8]> {
        let bytes = self.message.get(self.at..self.at + length)?;
        self.at += length;
        Some(bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    /// Labels with dots between them, in whatever case. A pointer leads to what stood before it, so that none is followed
    /// twice.
    fn name(&mut self) -> Option<String> {
        let (mut name, mut before, mut behind) = (String::new(), self.at, None);
        loop {
            let length = usize::from(*self.bytes(1)?.first()?);
            match length {
                0 => break,
                1..64 if name.len() < MAX_NAME => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(self.bytes(length)?));
                }
                192.. => {
                    let to = (length & 63) << 8 | usize::from(*self.bytes(1)?.first()?);
                    behind = behind.or(Some(self.at));
                    if to >= before {
                        return None;
                    }
                    (before, self.at) = (to, to);
                }
                _ => return None,
            }
        }
        self.at = behind.unwrap_or(self.at);
        Some(name)
    }
}

#[cfg(test)]
mod tests;
