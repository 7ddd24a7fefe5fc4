//! Addresses: IPv4, IPv6, MAC. A prefix length or port after one stays outside, so a masked CIDR keeps its meaning.

mod version;

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
            "ssh -v »10.0.1.20« nc -v »192.168.1.10« 22, of the conversion »10.0.0.5«, grep '^»10.0.1.20«'",
            "ip.addr==»10.0.1.100« && src_ip!=»10.0.3.17«, ip>=»10.0.0.5«, nexthop==»10.0.0.1«",
            "IP6 »fe80::1:2«.443 > »fd12:3456::7«.51234: Flags",
            "[IPv6:»fd12:3456:789a::1«] host:»fe80::1«%eth0 db:»fd12::5:2222:0:1«",
        ],
        misses: &[
            "127.0.0.1 0.0.0.0 ::1 255.255.255.0 169.254.169.254 224.0.0.1",
            "v10.0.0.1, version 10.0.0.1, \"version\": \"10.0.1.1\", appVersion=10.0.0.1",
            "nvidia-cublas-cu12==12.1.3.1\nnvidia-curand-cu12==10.3.2.106\nnvidia-nccl-cu12==2.18.1",
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
            "curl -v »52.95.110.1«; ip.dst==»52.95.110.1« x!=»52.95.110.1«",
            "db.example.com/»52.95.110.1«:5432 dbhost/»52.95.110.1« check /check/»52.95.110.1« node-»52.95.110.1«",
            "{\"client_ip\":\"»2.5.104.77«\"} from »1.3.40.2«, »5.9.7.231« by »1.3.132.9« the peer",
            "location / {\n allow »18.16.4.201«;\n allow »34.12.9.77«;\n allow »35.4.1.250«;\n deny all;\n}",
            "from x ([IPv6:»2001:db8:85a3::8a2e:370:7334«]) ip6:»2a00:1450:4000::«/36 src:»2a02:8108::1«",
            "db:»2001:db8:85a3:0:0:8a2e:370:7334«",
            "import a\nimport b\nimport c\nimport d\nallow »18.16.4.11«;\nallow »34.12.9.17«;\n",
        ],
        misses: &[
            "Chrome/120.0.0.0 Safari/537.36.1.2, OID 1.3.6.1 2.5.29.17, 10.0.0.1",
            "v1.2.3.4 version 1.2.3.4 Version=4.0.0.0 release-1.2.3.4 numpy==1.2.3.4 __version__ = \"1.2.3.4\" ~1.2.3.4 foo-1.2.3.4.tar.gz",
            "3.1.4.1 A heading\n 3.1.4.2 Another\nsee section 5.2.1.1\n    2.7.2.2\n",
            "2024:01:02 2001:db8 2001::db8::1 12345:db8::1 2001::25de::cade 2001:db8::256.1.1.1",
            "STREET_ADDRESS = ObjectIdentifier(\"2.5.4.9\") https://www.rfc-editor.org/rfc/rfc5849#section-3.4.1.2",
            "OID 1.3.101.112, whale browser Whale/3.24.223.18 opencv-python==4.10.0.84 kernel-5.10.0.123",
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
            "MAC:»02:1a:80:41:52:9c« bssid:»02:1a:80:41:52:9d«:8080 port.»aabb.ccdd.ee01«",
            "mac-»00-1A-2B-3C-4D-5E«-eth0",
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
    let [first, ..] = address.octets();
    let constant = matches!(first, 0 | 127 | 224..) || address == Ipv4Addr::new(169, 254, 169, 254);
    let private = is_private_v4(address);
    if constant
        || version::is_version(site, address, private)
        || matches!(site.before(2), [b'0'..=b'9', b'.'])
    {
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

fn version6(site: &Site<'_>) -> Option<(IpAddr, Range<usize>)> {
    let start = site.all.start;
    if site.before(1) == b"." {
        return None;
    }
    let run = run6(&site.text[start..]);
    let run = match run.iter().position(|byte| *byte == b'.') {
        // A port in tcpdump's notation: an address of IPv4 has three dots.
        Some(dot) if !run[dot + 1..].contains(&b'.') => &run[..dot],
        _ => run,
    };
    let address = in_use(run).filter(|_| !is_tail(site, run))?;
    Some((address.into(), start..start + run.len()))
}

/// The longest IPv6 address with all its digits, and one of IPv4 behind.
const LONGEST: usize = 45;

/// What may be an address at the start of a text.
fn run6(text: &[u8]) -> &[u8] {
    let in_address = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let length = text.iter().take(LONGEST + 2).take_while(in_address).count();
    // A sentence's stop or colon is none of the address's, but two colons are.
    match &text[..length] {
        [rest @ .., b'.'] => rest,
        run @ [.., b':', b':'] => run,
        [rest @ .., b':'] => rest,
        run => run,
    }
}

fn in_use(run: &[u8]) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = std::str::from_utf8(run).ok()?.parse().ok()?;
    let [first, ..] = address.segments();
    matches!(first, 0x2000..=0x3fff | 0xfc00..=0xfdff | 0xfe80..=0xfebf).then_some(address)
}

/// Whether this is the end of a longer address, and a colon before it is none of a label: `src:2001:db8::1`.
fn is_tail(site: &Site<'_>, run: &[u8]) -> bool {
    let before = site.before(LONGEST);
    let of_groups = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b':';
    let length = before.iter().rev().take_while(of_groups).count();
    let (rest, groups) = before.split_at(before.len() - length);
    // The last letters of a word are no group.
    let cut = match rest.last() {
        Some(byte) if byte.is_ascii_alphanumeric() => groups.iter().position(|byte| *byte == b':'),
        _ => None,
    };
    let groups = &groups[cut.map_or(0, |colon| colon + 1)..];
    let from = site.all.start - groups.len();
    let whole = || in_use(&site.text[from..site.all.start + run.len()]);
    groups.ends_with(b"::") || !groups.is_empty() && whole().is_some()
}

fn mac(site: &Site<'_>) -> Option<Range<usize>> {
    let text = site.bytes(site.all.clone());
    let size = text.iter().position(|byte| !byte.is_ascii_hexdigit())?;
    let separator = text[size];
    let letters = text.iter().any(u8::is_ascii_alphabetic);
    let constant = text
        .iter()
        .filter(|byte| byte.is_ascii_hexdigit())
        .all(|byte| byte.eq_ignore_ascii_case(&text[0]));
    // With one more group on either side, it is longer; a word there is a label.
    let is_group = |group: &[u8]| group.len() == size && group.iter().all(u8::is_ascii_hexdigit);
    let in_word = |byte: &&u8| byte.is_ascii_alphanumeric();
    let joined = |byte: &u8| *byte == separator;
    let before = site.before(6).split_last().filter(|(last, _)| joined(last));
    let after = site
        .after(6)
        .split_first()
        .filter(|(first, _)| joined(first));
    let longer = before.is_some_and(|(_, rest)| {
        let length = rest.iter().rev().take_while(in_word).count();
        is_group(&rest[rest.len() - length..])
    }) || after.is_some_and(|(_, rest)| {
        let length = rest.iter().take_while(in_word).count();
        is_group(&rest[..length])
    });
    // A weight of Unicode's collation: `[*020B.0020.0002]`.
    let weight = separator == b'.' && matches!(site.before(2), [b'[', b'*' | b'.']);
    ((letters || separator == b':') && !weight && !constant && !longer).then(|| site.all.clone())
}
