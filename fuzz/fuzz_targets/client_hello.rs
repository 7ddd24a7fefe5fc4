//! Whatever comes first on a connection: how much of it has come changes nothing that was said, nor do records, and rustls
//! reads the same name.
#![no_main]

use std::net::IpAddr;

use interceptor_agent::tls::client_hello::{Sniff, sniff};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

fuzz_target!(|raw: &[u8]| {
    check(raw);
    check(&with_extensions(raw));
});

/// A ClientHello whose lengths are right, so that its extensions are looked at.
fn with_extensions(extensions: &[u8]) -> Vec<u8> {
    let length = |length: usize| (length as u16).to_be_bytes();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    hello.extend(length(extensions.len()));
    hello.extend(extensions);
    let message = [&[1, 0][..], &length(hello.len()), &hello].concat();
    in_records(&message, message.len())
}

fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
    message.chunks(size).flat_map(record).collect()
}

fn check(wire: &[u8]) {
    let whole = sniff(wire);
    let mut end = 0;
    for chunk in &cuts(wire)[1] {
        let part = sniff(&wire[..end]);
        assert!(
            part == Sniff::NeedMore || part == whole,
            "{part:?} of {end}"
        );
        end += chunk.len();
    }
    if let (Sniff::Tls(_), [22, ..]) = (&whole, wire) {
        let message = message(wire);
        let size = 1 + crc32fast::hash(wire) as usize % message.len();
        assert_eq!(
            sniff(&in_records(&message, size)),
            whole,
            "in records of {size}"
        );
    }
    let Some(theirs) = as_rustls_reads(wire) else {
        return;
    };
    match whole {
        Sniff::Tls(ours) => assert!(
            ours.sni == theirs
                || theirs.is_none() && ours.sni.is_some_and(|name| is_address(&name)),
            "rustls reads {theirs:?}"
        ),
        // Stricter than rustls is as it should be; it must not count as something else than TLS.
        Sniff::Invalid(_) => {}
        Sniff::NotTls | Sniff::NeedMore => panic!("rustls takes what is {whole:?}"),
    }
}

/// The handshake message that the records carry.
fn message(mut wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = wire {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        message.extend_from_slice(&rest[..length]);
        wire = &rest[length..];
        let [_, length @ ..] = *message.first_chunk::<4>().unwrap_or(&[0xff; 4]);
        let end = 4 + u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
        if message.len() >= end {
            message.truncate(end);
            break;
        }
    }
    message
}

/// The name in a ClientHello that rustls accepts.
fn as_rustls_reads(mut wire: &[u8]) -> Option<Option<String>> {
    let mut acceptor = Acceptor::default();
    loop {
        let is_end = acceptor.read_tls(&mut wire).ok()? == 0;
        if let Some(accepted) = acceptor.accept().ok()? {
            let name = accepted.client_hello().server_name().map(str::to_owned);
            return Some(name.map(|name| name.trim_end_matches('.').to_ascii_lowercase()));
        }
        if is_end {
            return None;
        }
    }
}

/// rustls passes over an address, which is no name.
fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}
