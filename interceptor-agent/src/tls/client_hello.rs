//! Reads the server name, ALPN and ECH from a ClientHello without taking part in the handshake.
//!
//! Pure: looks at the bytes read so far, however the client cut them into records and segments. The caller
//! keeps the bytes and replays them ([`crate::prefixed::Prefixed`]).

use std::borrow::Cow;

/// Most bytes a client may send before its ClientHello is whole. With ML-KEM and GREASE they have about 2 KiB.
pub const MAX_BYTES: usize = 64 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sniff {
    /// Could still become a ClientHello: read on.
    NeedMore,
    /// A whole ClientHello.
    Tls(ClientHello),
    /// The first byte is not that of a TLS record.
    NotTls,
    /// Began as TLS, but breaks the protocol or the size limit; the client is at fault.
    Invalid(&'static str),
}

/// The parts of a ClientHello that decide what happens to the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Server name in lower case, without a trailing dot. Only letters, digits, `-`, `_` and `.`.
    pub sni: Option<String>,
    /// Protocols offered, in the client's order; empty without the extension.
    pub alpn: Vec<Vec<u8>>,
    /// There is an encrypted ClientHello. Real and GREASE look alike (RFC 9849, section 6.2): `sni` may be a cover name.
    pub ech: bool,
}

/// Looks at everything read so far. Call it again with more after [`Sniff::NeedMore`].
pub fn sniff(prefix: &[u8]) -> Sniff {
    match prefix {
        [] | [HANDSHAKE_RECORD, ..] => {}
        [kind, ..] if OTHER_RECORDS.contains(kind) => return Sniff::Invalid(OTHER_RECORD),
        [0x80..=0xff, ..] => return sniff_ssl2(prefix),
        _ => return Sniff::NotTls,
    }
    match client_hello_message(prefix) {
        Err(reason) => Sniff::Invalid(reason),
        Ok(None) if prefix.len() >= MAX_BYTES => Sniff::Invalid(TOO_LARGE),
        Ok(None) => Sniff::NeedMore,
        Ok(Some(message)) => match parse(&message) {
            Ok(hello) => Sniff::Tls(hello),
            Err(reason) => Sniff::Invalid(reason),
        },
    }
}

/// RFC 5246, appendix E.2: in the frame of SSL 2.0, without extensions. Some servers take it still. They differ in the versions and
/// sizes that they take, not in that ciphers, session and challenge have to fit in.
fn sniff_ssl2(prefix: &[u8]) -> Sniff {
    /// Bytes in front of those three: type, version and a length of each.
    const HEADER: usize = 1 + 2 + 3 * 2;
    let [high, low, record @ ..] = prefix else {
        return Sniff::NeedMore;
    };
    match record {
        [] => return Sniff::NeedMore,
        [CLIENT_HELLO, ..] => {}
        _ => return Sniff::NotTls,
    }
    let two = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let header = &record[..record.len().min(HEADER)];
    let lengths = header.get(3..).unwrap_or_default().chunks_exact(2).map(two);
    let fit = HEADER + lengths.clone().sum::<usize>() <= two(&[high & 0x7f, *low]);
    if !fit || lengths.clone().next() == Some(0) {
        return Sniff::NotTls;
    }
    match header.len() {
        HEADER => Sniff::Tls(ClientHello::default()),
        _ => Sniff::NeedMore,
    }
}

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Change of cipher, alert, data and heartbeat (RFC 8446 §5.1, RFC 6520). Some servers pass over one that comes before the
/// ClientHello, which must not hide it. Nor must a version: s2n, for one, doesn't look at that of the first record.
const OTHER_RECORDS: [u8; 4] = [20, 21, 23, 24];
const MAX_RECORD: usize = 16 * 1024;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

const TOO_LARGE: &str = "the ClientHello is larger than 64 KiB";
const OTHER_RECORD: &str = "the first TLS record is not of a handshake";
const TRUNCATED: &str = "a length inside the ClientHello points past its end";

type Parsed<T> = Result<T, &'static str>;

/// The ClientHello's body put together from its records; `None` while some of it is missing. Copies only
/// when there is more than one record, and only once all are there.
fn client_hello_message(prefix: &[u8]) -> Parsed<Option<Cow<'_, [u8]>>> {
    let mut have = 0;
    let mut header = [0; 4];
    for fragment in records(prefix) {
        let fragment = fragment?;
        for (to, from) in header.iter_mut().skip(have).zip(fragment) {
            *to = *from;
        }
        have += fragment.len();
        if have >= 1 && header[0] != CLIENT_HELLO {
            return Err("the first handshake message is not a ClientHello");
        }
        if have < header.len() {
            continue;
        }
        let end = header.len() + u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        if end > MAX_BYTES {
            return Err(TOO_LARGE);
        }
        if have >= end {
            return Ok(Some(joined(prefix, header.len(), end)));
        }
    }
    Ok(None)
}

/// Bytes `start..end` of the handshake stream.
fn joined(prefix: &[u8], start: usize, end: usize) -> Cow<'_, [u8]> {
    let mut fragments = records(prefix).flatten();
    match fragments.next() {
        Some(first) if first.len() >= end => Cow::Borrowed(&first[start..end]),
        first => Cow::Owned(
            first
                .into_iter()
                .chain(fragments)
                .flatten()
                .copied()
                .take(end)
                .skip(start)
                .collect(),
        ),
    }
}

/// The payloads of the handshake records, the last one as far as it has come.
fn records(mut rest: &[u8]) -> impl Iterator<Item = Parsed<&[u8]>> {
    std::iter::from_fn(move || {
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE_RECORD) {
            return Some(Err("another record interrupts the ClientHello"));
        }
        let (header, body) = rest.split_at_checked(5)?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[1] != 3 || length == 0 || length > MAX_RECORD {
            return Some(Err("a record header is malformed"));
        }
        let fragment;
        (fragment, rest) = body.split_at(length.min(body.len()));
        Some(Ok(fragment))
    })
}

/// RFC 8446, section 4.1.2; the same layout since TLS 1.0.
fn parse(message: &[u8]) -> Parsed<ClientHello> {
    let mut reader = Reader(message);
    let _version_and_random = reader.take(2 + 32)?;
    let _session_id = reader.vec8()?;
    let _cipher_suites = reader.vec16()?;
    let _compression = reader.vec8()?;
    let mut hello = ClientHello::default();
    if reader.is_empty() {
        return Ok(hello); // before TLS 1.3 the extensions may be missing altogether
    }
    let mut extensions = reader.vec16()?;
    if !reader.is_empty() {
        return Err("bytes follow the ClientHello's extensions");
    }
    while !extensions.is_empty() {
        let (kind, body) = (extensions.u16()?, extensions.vec16()?);
        match kind {
            SERVER_NAME if hello.sni.is_some() => return Err("the server name stands there twice"),
            SERVER_NAME => hello.sni = Some(server_name(body)?),
            ALPN if !hello.alpn.is_empty() => return Err("ALPN stands there twice"),
            ALPN => hello.alpn = protocols(body)?,
            ENCRYPTED_CLIENT_HELLO => hello.ech = true,
            _ => {}
        }
    }
    Ok(hello)
}

/// RFC 6066, section 3: exactly one name, of type host_name.
fn server_name(mut body: Reader<'_>) -> Parsed<String> {
    const NOT_ONE_NAME: &str = "the server name extension does not hold exactly one host name";
    let mut list = body.vec16()?;
    let kind = list.u8()?;
    let name = list.vec16()?.0;
    if kind != 0 || !list.is_empty() || !body.is_empty() {
        return Err(NOT_ONE_NAME);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 253 || !name.iter().all(is_host) {
        return Err("the server name is not a host name");
    }
    Ok(name
        .iter()
        .map(|b| char::from(b.to_ascii_lowercase()))
        .collect())
}

/// RFC 7301, section 3.1.
fn protocols(mut body: Reader<'_>) -> Parsed<Vec<Vec<u8>>> {
    let mut list = body.vec16()?;
    let mut protocols = Vec::new();
    while !list.is_empty() {
        protocols.push(list.vec8()?.0.to_vec());
    }
    if protocols.is_empty() || !body.is_empty() {
        return Err("the ALPN extension is malformed");
    }
    Ok(protocols)
}

/// A cursor over length-prefixed fields.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Parsed<Reader<'a>> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(Reader(taken))
    }

    fn u8(&mut self) -> Parsed<u8> {
        self.take(1).map(|one| one.0[0])
    }

    fn u16(&mut self) -> Parsed<u16> {
        self.take(2)
            .map(|two| u16::from_be_bytes([two.0[0], two.0[1]]))
    }

    fn vec8(&mut self) -> Parsed<Reader<'a>> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vec16(&mut self) -> Parsed<Reader<'a>> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests;
