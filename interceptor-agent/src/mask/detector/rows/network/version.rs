//! Whether four numbers between dots are a version, a section or an object identifier rather than a host's address.

use std::net::Ipv4Addr;

use crate::mask::detector::row::Site;

/// Words beside an address that is all small numbers.
const OF_ADDRESSES: &[&str] = &[
    "addr", "host", "server", "dns", "gateway", "resolve", "peer", "client", "ping ", "ssh ",
    "curl ", "://", "@", "ip ", "ip:", "ip=", "ip\"", "ips", "ipv4",
];

/// Whether an address is none. Private ones are where what stands before says so, and nothing else does.
pub fn is_version(site: &Site<'_>, address: Ipv4Addr, private: bool) -> bool {
    is_called_so(site, private)
        || is_requirement(site, address, private)
        || !private
            && (follows_name(site, address)
                || is_object_identifier(site, address)
                || reads_as_heading(site, address)
                || reads_as_version(site, address))
}

/// Whether the word before says that it is one.
fn is_called_so(site: &Site<'_>, private: bool) -> bool {
    let before = site.before(32);
    let gap = before
        .iter()
        .rev()
        .take_while(|byte| b" \t:=\"'(\\_!-".contains(byte))
        .count()
        .min(8);
    let (before, gap) = before.split_at(before.len() - gap);
    let length = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (before, word) = before.split_at(before.len() - length);
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    // No conversion, and no option: `ssh -v`.
    word.ends_with(b"Version")
        || word.ends_with(b"VERSION")
        || is(&["version", "ver", "firmware", "doi"])
        || is(&["v"]) && gap.is_empty() && before.last() != Some(&b'-')
        || !private
            && is(&[
                "release", "build", "revision", "section", "sections", "chapter", "clause", "oid",
                "rfc",
            ])
}

/// Whether it is the version of a package that is asked for, and compared with nothing else: `numpy==1.26.4.1`. Private ones only
/// where they end the line that the package begins, as in lists of requirements.
fn is_requirement(site: &Site<'_>, address: Ipv4Addr, private: bool) -> bool {
    let before = site.before(64);
    let [rest @ .., operator, b'='] = before else {
        return false;
    };
    let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._-[]".contains(byte);
    let length = rest.iter().rev().take_while(in_name).count();
    let (above, name) = rest.split_at(rest.len() - length);
    let listed = *operator == b'='
        && !name.is_empty()
        && matches!(above, [] | [.., b'\n'])
        && matches!(site.after(1), [] | [b'\n' | b'\r' | b' ']);
    b"=<>~!".contains(operator)
        && !is_of_address(name)
        && (listed || !private && has_small(address))
}

/// Whether a name with `/` or `-` has it as its version: `Chrome/120.0.0.0`, `release-1.2.3.4`. Neither a host, nor a path, nor
/// what has a port or a prefix behind.
fn follows_name(site: &Site<'_>, address: Ipv4Addr) -> bool {
    let [before @ .., joint @ (b'/' | b'-')] = site.before(64) else {
        return false;
    };
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`(),;=<>[]{}".contains(byte);
    let name = before.rsplit(ends).next().unwrap_or_default();
    let goes_on = matches!(site.after(2), [b':' | b'/', b'0'..=b'9']);
    let is_name = name.last().is_some_and(u8::is_ascii_alphabetic)
        && !name.iter().any(|byte| b"./".contains(byte))
        && !is_of_address(name);
    is_name && !goes_on && (*joint == b'/' || has_small(address))
}

/// Whether one of the parts of a name says that it is given addresses.
fn is_of_address(name: &[u8]) -> bool {
    const WORDS: [&str; 8] = [
        "addr", "host", "server", "node", "gateway", "peer", "client", "router",
    ];
    let is_in = |part: &[u8], word: &str| {
        let mut windows = part.windows(word.len());
        windows.any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    };
    name.split(|byte| !byte.is_ascii_alphabetic()).any(|part| {
        let is = |word: &&str| part.eq_ignore_ascii_case(word.as_bytes());
        ["ip", "ips", "src", "dst", "gw", "dns"].iter().any(is)
            || part.ends_with(b"Ip")
            || part.ends_with(b"IP")
            || WORDS.iter().any(|word| is_in(part, word))
    })
}

/// Arcs of ISO's organisations and of the directory (X.500) that programs name things in.
fn is_object_identifier(site: &Site<'_>, address: Ipv4Addr) -> bool {
    let known = matches!(
        address.octets(),
        [1, 3, 6 | 14 | 36 | 101 | 132, _] | [2, 5, 4 | 8 | 29, _]
    );
    known
        && !matches!(site.after(1), b"/" | b":")
        && (!site.has_near(OF_ADDRESSES) || site.has_near(&["identifier", " oid", "_oid"]))
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

/// Three numbers below ten are a version or a section more often than a host, if nothing says otherwise.
fn reads_as_version(site: &Site<'_>, address: Ipv4Addr) -> bool {
    let [first, second, third, last] = address.octets();
    let goes_on = matches!(site.after(2), [b':' | b'/', b'0'..=b'9'])
        || matches!(site.before(1), [b'/' | b'@']);
    let tiny = [first, second, third].iter().all(|&octet| octet < 10) && last < 50;
    !goes_on && tiny && !site.is_alone() && !site.has_near(OF_ADDRESSES)
}

/// Whether all but the last number, which often counts builds, are as small as those of versions are.
fn has_small(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    first < 40 && second < 20 && third < 20
}
