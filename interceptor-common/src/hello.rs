//! Where the server name stands in a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3), read from one packet by few and bounded
//! steps, so that the kernel's verifier accepts it. What it can't follow it calls unreadable, never harmless.

/// Most extensions looked at; browsers send some 18.
const MAX_EXTENSIONS: u32 = 32;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;

/// Length of a record's header, and of a handshake message's.
const RECORD: u32 = 5;
const MESSAGE: u32 = 4;

/// Bytes of a packet, by their offset.
pub trait Packet {
    /// `None` where the packet ends before.
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]>;
}

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// No TLS handshake.
    NotTls,
    /// One that names no server.
    NoName,
    /// One with a server name, from an offset to another.
    Name(u32, u32),
    /// A handshake that is broken, or goes on in another packet.
    Unreadable,
}

/// Reads a stream's first bytes, of which there is at least one, at this offset of its first packet.
#[inline(always)]
pub fn read(packet: &impl Packet, at: u32) -> Hello {
    match packet.bytes(at) {
        Some([HANDSHAKE]) => client_hello(packet, at).unwrap_or(Hello::Unreadable),
        // Of another type: some servers pass over one that comes first.
        Some([20 | 21 | 23 | 24]) => Hello::Unreadable,
        _ => Hello::NotTls,
    }
}

#[inline(always)]
fn client_hello(packet: &impl Packet, at: u32) -> Option<Hello> {
    let [_, _, _, high, low, kind, length @ ..] = packet.bytes::<9>(at)?;
    let record_end = at + RECORD + u32::from(u16::from_be_bytes([high, low]));
    let [a, b, c] = length;
    let end = at + RECORD + MESSAGE + u32::from_be_bytes([0, a, b, c]);
    if kind != CLIENT_HELLO {
        return None;
    }
    // Version and random, then three lists, each behind its length.
    let mut at = at + RECORD + MESSAGE + 2 + 32;
    at += 1 + u32::from(u8::from_be_bytes(packet.bytes(at)?));
    at += 2 + u32::from(u16::from_be_bytes(packet.bytes(at)?));
    at += 1 + u32::from(u8::from_be_bytes(packet.bytes(at)?));
    if at == end && end <= record_end {
        return Some(Hello::NoName);
    }
    let extensions = u32::from(u16::from_be_bytes(packet.bytes(at)?));
    at += 2;
    if at + extensions != end {
        return None;
    }
    for _ in 0..MAX_EXTENSIONS {
        if at >= end || at >= record_end {
            return (at == end && end <= record_end).then_some(Hello::NoName);
        }
        let [kind_high, kind_low, high, low] = packet.bytes(at)?;
        let length = u32::from(u16::from_be_bytes([high, low]));
        if u16::from_be_bytes([kind_high, kind_low]) == SERVER_NAME {
            return server_name(packet, at + 4, length, record_end);
        }
        at += 4 + length;
    }
    None
}

/// A list with one name in it, of the only type that there is.
#[inline(always)]
fn server_name(packet: &impl Packet, at: u32, length: u32, record_end: u32) -> Option<Hello> {
    let [list_high, list_low, kind, high, low] = packet.bytes(at)?;
    let list = u32::from(u16::from_be_bytes([list_high, list_low]));
    let name = u32::from(u16::from_be_bytes([high, low]));
    let (start, end) = (at + 5, at + 5 + name);
    let is_whole = kind == 0 && name > 0 && list == name + 3 && length == name + 5;
    // The last byte is there, so all are.
    packet.bytes::<1>(end - 1)?;
    (is_whole && end <= record_end).then_some(Hello::Name(start, end))
}
