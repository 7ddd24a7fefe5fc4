//! Addresses: IPv4, IPv6, MAC. A prefix length or port after one stays outside, so a masked CIDR keeps its meaning.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use crate::mask::detector::{
    Action, Class,
    row::{Row, Site},
};

/// Every IPv6 address in use starts with four digits (2000::/3, fc00::/7, fe80::/10); shorter ones are paths of C++ and Rust.
const ADDRESS: &[&str] = &[
    r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}",
    "[23fF][0-9A-Fa-f]{3}:[0-9A-Fa-f:]",
];

/// Addresses of hosts and interfaces.
pub const ROWS: &[Row] = &[
    Row {
        patterns: ADDRESS,
        check: |site| address(site, Kind::Private),
        confidence: 0.95,
        hits: &[
            "(IP: »10.0.1.100«) in »172.16.0.0«/12, »192.168.1.1«:8080.",
            "tcpdump: IP »10.0.0.1«.443 > »10.0.0.2«.51234: Flags",
            "at »fe80::1«%eth0 and [»fd12:3456:789a::1«]:80, »::ffff:10.0.0.1«, »::10.0.0.2«",
            "server=»10.0.0.1«, »10.0.0.2«-»10.0.0.9« and http://»100.64.0.1«/x",
        ],
        misses: &[
            "127.0.0.1 0.0.0.0 ::1 255.255.255.0 169.254.169.254 224.0.0.1",
            "v10.0.0.1, version 10.0.0.1, \"version\": \"10.0.1.1\", pkg==10.0.0.1",
            "10.0.0.256 10.0.01.1 1.10.0.0.1 10.0.0.1.2.3 x10.0.0.1 8.8.8.8",
            "12:34:56 a::b std::string feed::beef fe80:1",
        ],
        ..Row::new("private_ip", "PRIVATE_IP")
    },
    Row {
        patterns: ADDRESS,
        check: |site| address(site, Kind::Public),
        confidence: 0.9,
        hits: &[
            "ssh ec2-user@»203.0.113.12« then »8.8.8.8«, »52.95.110.1«/32.",
            "AAAA »2001:db8:85a3::8a2e:370:7334«. [»2400:c401::5054:ff:fe1b:b031«]:443",
            "{\"ip\": \"»1.2.3.4«\"}",
            "import a\nimport b\nimport c\nimport d\nallow »18.16.4.11«;\nallow »34.12.9.17«;\n",
        ],
        misses: &[
            "Chrome/120.0.0.0 Safari/537.36.1.2, OID 1.3.6.1 2.5.29.17, 10.0.0.1",
            "v1.2.3.4 version 1.2.3.4 Version=4.0.0.0 release-1.2.3.4 numpy==1.2.3.4 __version__ = \"1.2.3.4\" ~1.2.3.4 foo-1.2.3.4.tar.gz",
            "3.1.4.1 A heading\n 3.1.4.2 Another\nsee section 5.2.1.1\n    2.7.2.2\n",
            "2024:01:02 2001:db8 2001::db8::1 12345:db8::1",
            "since 3.1.4.1, as 2.4.8.19 did (HTML 8.2.4.45)",
        ],
        ..Row::new("public_ip", "PUBLIC_IP")
    },
    // In source code, those for documents and blocks of everybody: not looked for by default.
    Row {
        class: Class {
            name: "code_ip",
            label: "IP",
            action: Action::Allow,
        },
        patterns: ADDRESS,
        check: |site| address(site, Kind::OfCode),
        confidence: 0.5,
        hits: &[
            "import a\n\ndef f(x):\n    return 1\n\ndef g(x):\n    return ip('»192.0.2.1«', '»10.0.0.0«/8', '»2001:db8::1«')\n",
        ],
        misses: &[
            "192.0.2.1 2001:db8::1 10.0.0.0/8",
            "import a\n\ndef f(x):\n    return 1\n\ndef g(x):\n    return ip('192.0.3.1', '10.0.0.1')\n",
        ],
        ..Row::new("code_ip", "IP")
    },
    Row {
        patterns: &[
            "[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}",
            "[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}",
            r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
        ],
        check: mac,
        confidence: 0.9,
        hits: &[
            "link/ether »02:1a:80:41:52:9c« brd ff:ff:ff:ff:ff:ff",
            "»00-1A-2B-3C-4D-5E«, »aabb.ccdd.eeff«",
        ],
        misses: &[
            "00:00:00:00:00:00 ZZ:ZZ:ZZ:ZZ:ZZ:ZZ 1f:51:ae:28:bf:89:e9:d8:1f:25",
            "[*020B.0020.0002] 01-02-03-04-05-06 1234.5678.9012 a1-02-03-04-05-06-07",
        ],
        ..Row::new("mac_address", "MAC")
    },
];

/// What an address says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Private,
    Public,
    /// Nothing: source code has it as an example, or as the name of a block.
    OfCode,
}

/// An address of the asked kind.
fn address(site: &Site<'_>, asked: Kind) -> Option<Range<usize>> {
    let (address, span) = if site.bytes(site.all.clone()).contains(&b':') {
        version6(site)?
    } else {
        version4(site)?
    };
    let is_private = match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    };
    let kind = match is_private {
        _ if is_reserved(address) && site.around.are_code(site.text, span.start) => Kind::OfCode,
        true => Kind::Private,
        false => Kind::Public,
    };
    (kind == asked).then_some(span)
}

/// Whether no host has an address: those for documents (RFC 5737, RFC 3849), for protocols, and the first ones of the blocks
/// that everybody uses, which name the block (IANA's registries of special-purpose addresses).
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(
            address.octets(),
            [192, 0, 0 | 2, _]
                | [198, 51, 100, _]
                | [203, 0, 113, _]
                | [10, 0, 0, 0]
                | [100, 64, 0, 0]
                | [169, 254, 0, 0]
                | [172, 16, 0, 0]
                | [192, 168, 0, 0]
                | [198, 18, 0, 0]
                // Made up by counting.
                | [1, 2, 3, _]
                | [12, 34, 56, 78]
                | [123, 45, 67, 89]
        ),
        IpAddr::V6(address) => matches!(
            address.segments(),
            [0x2001, 0..0x200 | 0xdb8, ..]
                | [0x2002 | 0xfc00 | 0xfd00 | 0xfe80, 0, 0, 0, 0, 0, 0, 0]
        ),
    }
}

fn version4(site: &Site<'_>) -> Option<(IpAddr, Range<usize>)> {
    // The standard parser refuses leading zeros and octets beyond 255.
    let address: Ipv4Addr = std::str::from_utf8(site.bytes(site.all.clone()))
        .ok()?
        .parse()
        .ok()?;
    let [first, second, ..] = address.octets();
    let constant = matches!(first, 0 | 127 | 224..) || address == Ipv4Addr::new(169, 254, 169, 254);
    let private = is_private_v4(address);
    if constant || version_before(site, private) || matches!(site.before(2), [b'0'..=b'9', b'.']) {
        return None;
    }
    match site.after(8) {
        // A fifth number is a port in tcpdump's notation, or this is an object identifier or a version.
        [b'.', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            let port = digits
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !private || digits.get(port) == Some(&b'.') {
                return None;
            }
        }
        [b'.', next, ..] if next.is_ascii_alphabetic() && !private => return None,
        _ => {}
    }
    let object_identifier =
        matches!((first, second), (1, 3) | (2, 5)) && !matches!(site.after(1), b"/" | b":");
    if !private
        && (object_identifier || reads_as_heading(site, address) || reads_as_version(site, address))
    {
        return None;
    }
    // An address that IPv6 carries is one with its prefix.
    let carried = match site.before(7) {
        before if before.eq_ignore_ascii_case(b"::ffff:") => 7,
        [.., b':', b':'] => 2,
        _ => 0,
    };
    Some((address.into(), site.all.start - carried..site.all.end))
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private()
        || address.is_link_local()
        || matches!((first, second), (100, 64..=127) | (198, 18..=19))
}

/// Whether what stands before four numbers says that they are a version.
fn version_before(site: &Site<'_>, private: bool) -> bool {
    let before = site.before(32);
    match before {
        [.., b'=' | b'<' | b'>' | b'~' | b'!', b'='] | [.., b'~' | b'^'] => return true,
        [.., last, b'/' | b'-'] if last.is_ascii_alphabetic() && !private => return true,
        _ => {}
    }
    let gap = before
        .iter()
        .rev()
        .take_while(|byte| b" \t:=\"'(\\_!".contains(byte))
        .count()
        .min(8);
    let word = before[..before.len() - gap]
        .rsplit(|byte| !byte.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    word.len() >= 7 && word[word.len() - 7..].eq_ignore_ascii_case(b"version")
        || is(&["v", "ver", "firmware", "doi"])
        || !private
            && is(&[
                "release", "build", "revision", "section", "sections", "chapter", "clause", "oid",
                "rfc",
            ])
}

/// Four numbers below ten that start a line of a longer text number a heading or a version more often than a host.
fn reads_as_heading(site: &Site<'_>, address: Ipv4Addr) -> bool {
    let small = address.octets().iter().all(|&octet| octet < 10);
    let indent = site.text[..site.all.start]
        .iter()
        .rev()
        .take_while(|byte| b" \t#*".contains(byte))
        .count();
    let line_start = site.all.start - indent;
    let own_line = line_start > 0 && site.text[line_start - 1] == b'\n'
        || line_start == 0 && site.after(1) == b" ";
    small && own_line && matches!(site.after(1), [] | [b' ' | b'\n' | b'\r'])
}

/// Words beside an address that is all small numbers.
const OF_ADDRESSES: &[&str] = &[
    "addr", "host", "server", "dns", "gateway", "resolve", "peer", "client", "ping ", "ssh ",
    "curl ", "://", "@", "ip ", "ip:", "ip=", "ip\"", "ips", "ipv4",
];

/// Small numbers are a version or a section more often than a host, if nothing says otherwise.
fn reads_as_version(site: &Site<'_>, address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let goes_on = matches!(site.after(2), [b':' | b'/', b'0'..=b'9'])
        || matches!(site.before(1), [b'/' | b'@']);
    let tiny = [first, second, third].iter().all(|&octet| octet < 10);
    !goes_on && tiny && !site.is_alone() && !site.has_near(OF_ADDRESSES)
}

fn version6(site: &Site<'_>) -> Option<(IpAddr, Range<usize>)> {
    const LONGEST: usize = 45;
    let text = site.text;
    let start = site.all.start;
    if matches!(site.before(1), [b':' | b'.']) {
        return None;
    }
    let in_address = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = text[start..]
        .iter()
        .take(LONGEST + 2)
        .take_while(in_address)
        .count();
    // A sentence's stop or colon is none of the address's, but two colons are.
    let run = match &text[start..start + length] {
        [rest @ .., b'.'] => rest,
        [.., b':', b':'] => &text[start..start + length],
        [rest @ .., b':'] => rest,
        run => run,
    };
    let address: Ipv6Addr = std::str::from_utf8(run).ok()?.parse().ok()?;
    let [first, ..] = address.segments();
    let in_use = matches!(first, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf);
    in_use.then(|| (address.into(), start..start + run.len()))
}

fn mac(site: &Site<'_>) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let separator = *text.iter().find(|byte| !byte.is_ascii_hexdigit())?;
    let letters = text.iter().any(u8::is_ascii_alphabetic);
    let constant = text
        .iter()
        .filter(|byte| byte.is_ascii_hexdigit())
        .all(|byte| byte.eq_ignore_ascii_case(&text[0]));
    let longer = site.before(1) == [separator]
        || matches!(site.after(2), [next, digit] if *next == separator && digit.is_ascii_hexdigit());
    // A weight of Unicode's collation: `[*020B.0020.0002]`.
    let weight = separator == b'.' && matches!(site.before(2), [b'[', b'*' | b'.']);
    ((letters || separator == b':') && !weight && !constant && !longer).then(|| site.all.clone())
}
