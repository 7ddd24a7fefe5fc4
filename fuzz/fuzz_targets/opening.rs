//! Whatever comes first on a connection in plain text: how much of it has come changes nothing that was said, and no other
//! reader finds a request for a host that we don't see.
#![no_main]

use interceptor_agent::opening::{Opening, known};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

/// In the words that inputs are made of.
const HOST: &str = "api.openai.com";

fuzz_target!(|raw: &[u8]| {
    let whole = known(raw);
    let mut end = 0;
    for chunk in &cuts(raw)[1] {
        let part = known(&raw[..end]);
        assert!(part.is_none() || part == whole, "{part:?} of {end}");
        end += chunk.len();
    }
    let (hosts, passed) = match &whole {
        None | Some(Opening::Broken) => return,
        Some(Opening::Http { hosts, request }) => {
            let last = request.filter(|request| request.is_last);
            (&hosts[..], last.map_or(raw, |request| &raw[..request.head]))
        }
        Some(Opening::Connect { hosts, .. }) => (&hosts[..], raw),
        Some(_) => (&[][..], raw),
    };
    let text = String::from_utf8_lossy(passed);
    let found = [true, false].iter().any(|&crlf| finds(&text, crlf));
    assert!(!found || hosts.iter().any(|host| host == HOST), "{whole:?}");
});

/// Whether a reader that takes more than it should finds that host in a first request.
fn finds(text: &str, crlf: bool) -> bool {
    let white = |char: char| char.is_ascii_whitespace() || char == '\x0b';
    let text = text.trim_start_matches(white);
    // Who wants CRLF, and takes what stands behind LF for more of the line, is one for whom nobody can wait.
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let words: Vec<_> = line.split(white).filter(|word| !word.is_empty()).collect();
    let lines = rest.split(if crlf { "\r\n" } else { "\n" });
    let is_token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    let is_version = |word: &str| {
        let name = word.as_bytes().get(..5);
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/"))
    };
    let (method, targets) = match words[..] {
        ["GET", target] => ("GET", vec![target]),
        [method, first, .., last, version] if is_version(version) => (method, vec![first, last]),
        [method, target, version] if is_version(version) => (method, vec![target]),
        _ => return false,
    };
    // What is none to the first of its bytes is told at once: it may be a protocol that has no lines.
    let behind_name = targets[0].trim_start_matches(|char: char| char.is_ascii_alphanumeric());
    let may_be_target = behind_name.is_empty() || behind_name.starts_with(['/', '*', ':']);
    if !method.chars().all(is_token) || !may_be_target {
        return false;
    }
    let is_connect = method.eq_ignore_ascii_case("CONNECT");
    let named = targets.iter().any(|target| match target.split_once("://") {
        _ if is_connect => is_host(target),
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => is_host(rest),
        _ => false,
    });
    let mut fields = lines
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'));
    named
        || fields.any(|(name, value)| {
            name.trim_matches(white).eq_ignore_ascii_case("host") && is_host(value)
        })
}

/// Whether an authority, and what may stand behind it, is of that host.
fn is_host(text: &str) -> bool {
    let authority = text.trim().split(['/', '?', '#', '\\']).next();
    let authority = authority.unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default();
    host.trim_end_matches('.').eq_ignore_ascii_case(HOST)
}
