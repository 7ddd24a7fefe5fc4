//! ClientHellos made by rustls, cut, re-framed and damaged.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

use super::*;

/// What rustls sends first for this name and these protocols.
fn from_rustls(name: &str, alpn: &[&[u8]], sni: bool) -> Vec<u8> {
    let provider = aws_lc_rs::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for every version")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.enable_sni = sni;
    let name = name.to_owned().try_into().expect("a valid name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut wire = Vec::new();
    while connection.wants_write() {
        connection
            .write_tls(&mut wire)
            .expect("a Vec takes everything");
    }
    wire
}

/// The same handshake bytes in records of at most `size`.
fn reframed(wire: &[u8], size: usize) -> Vec<u8> {
    let handshake: Vec<u8> = records(wire)
        .flat_map(|r| r.expect("rustls writes good records").to_vec())
        .collect();
    let frame = |part: &[u8]| {
        let length = u16::try_from(part.len())
            .expect("a record's size")
            .to_be_bytes();
        [&[22, 3, 1][..], &length, part].concat()
    };
    handshake.chunks(size).flat_map(frame).collect()
}

/// A ClientHello with these extensions, in one record.
fn with_extensions(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let length = |n: usize| u16::try_from(n).expect("small enough").to_be_bytes();
    let body: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &length(body.len()), body].concat())
        .collect();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    hello.extend(length(body.len()));
    hello.extend(body);
    let size = u32::try_from(hello.len())
        .expect("small enough")
        .to_be_bytes();
    let message = [&[1][..], &size[1..], &hello].concat();
    [&[22, 3, 1][..], &length(message.len()), &message].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    let n = u8::try_from(name.len()).expect("a short name");
    [&[0, n + 3, 0, 0, n][..], name].concat()
}

#[test]
fn every_prefix_needs_more_and_the_whole_is_read() {
    let expected = ClientHello {
        sni: Some("api.anthropic.com".into()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ech: false,
    };
    let wire = from_rustls("API.Anthropic.com", &[b"h2", b"http/1.1"], true);
    for framed in [
        wire.clone(),
        reframed(&wire, 1),
        reframed(&wire, 3),
        reframed(&wire, 100),
    ] {
        for cut in 0..framed.len() {
            assert_eq!(sniff(&framed[..cut]), Sniff::NeedMore, "cut at {cut}");
        }
        assert_eq!(sniff(&framed), Sniff::Tls(expected.clone()));
        let with_more = [&framed[..], b"\x17\x03\x03\x00\x05early"].concat();
        assert_eq!(
            sniff(&with_more),
            Sniff::Tls(expected.clone()),
            "bytes after the hello are none of its business"
        );
    }
}

#[test]
fn no_sni_and_no_alpn_are_empty() {
    assert_eq!(
        sniff(&from_rustls("api.openai.com", &[], false)),
        Sniff::Tls(ClientHello::default())
    );
    assert_eq!(
        sniff(&from_rustls("192.0.2.1", &[], true)),
        Sniff::Tls(ClientHello::default())
    );
}

#[test]
fn a_post_quantum_hello_over_many_records() {
    let key_share = [1; 1216];
    let wire = with_extensions(&[(51, &key_share), (SERVER_NAME, &sni(b"api.x.ai"))]);
    for size in [1, 7, 512, MAX_RECORD] {
        let Sniff::Tls(hello) = sniff(&reframed(&wire, size)) else {
            panic!("records of {size}")
        };
        assert_eq!(hello.sni.as_deref(), Some("api.x.ai"));
    }
}

#[test]
fn ech_is_seen_beside_its_cover_name() {
    let wire = with_extensions(&[
        (SERVER_NAME, &sni(b"cover.example")),
        (ENCRYPTED_CLIENT_HELLO, &[0, 0, 1]),
    ]);
    let Sniff::Tls(hello) = sniff(&wire) else {
        panic!("not read")
    };
    assert!(hello.ech);
    assert_eq!(hello.sni.as_deref(), Some("cover.example"));
}

#[test]
fn a_trailing_dot_and_upper_case_do_not_make_another_host() {
    let Sniff::Tls(hello) = sniff(&with_extensions(&[(SERVER_NAME, &sni(b"API.OpenAI.com."))]))
    else {
        panic!("not read")
    };
    assert_eq!(hello.sni.as_deref(), Some("api.openai.com"));
}

#[test]
fn what_is_not_tls_is_told_from_the_first_byte() {
    assert_eq!(sniff(b""), Sniff::NeedMore);
    assert_eq!(sniff(b"\x16"), Sniff::NeedMore);
    for start in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0",
        b"\x80\x2e\x02",
    ] {
        assert_eq!(sniff(start), Sniff::NotTls);
    }
    for other in [20, 21, 23, 24] {
        assert!(matches!(sniff(&[other]), Sniff::Invalid(_)));
    }
}

#[test]
fn no_version_of_the_first_record_hides_a_hello() {
    let mut wire = from_rustls("api.openai.com", &[], true);
    for version in (0..=u8::MAX).filter(|version| *version != 3) {
        wire[1] = version;
        assert!(matches!(sniff(&wire), Sniff::Invalid(_)), "{version}");
        for cut in 1..5 {
            assert_ne!(sniff(&wire[..cut]), Sniff::NotTls, "{version}");
        }
    }
}

#[test]
fn a_hello_in_the_frame_of_ssl_2_names_nobody() {
    let wire = b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10\x01\0\x80";
    for cut in 1..11 {
        assert_eq!(sniff(&wire[..cut]), Sniff::NeedMore, "cut at {cut}");
    }
    for cut in 11..wire.len() {
        assert_eq!(sniff(&wire[..cut]), Sniff::Tls(ClientHello::default()));
    }
}

#[test]
fn what_has_other_lengths_is_no_hello_in_the_frame_of_ssl_2() {
    for wire in [
        // A WebSocket's message of 300 bytes: masked, as what a client sends is.
        &b"\x81\xfe\x01\x2c\x8d\x5b\x1e\x33"[..],
        b"\x82\x85\x01\x9c\x03\x5b\x68\xf9",
        // No ciphers; a session, then a challenge behind the end.
        b"\x80\x2e\x01\x03\x01\0\0",
        b"\x80\x2e\x01\x03\x01\0\x15\0\x11",
        b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x11",
    ] {
        assert_eq!(sniff(wire), Sniff::NotTls);
        assert_eq!(sniff(&wire[..wire.len() - 2]), Sniff::NeedMore);
    }
}

#[test]
fn broken_hellos_are_refused_with_the_reason() {
    let twice = with_extensions(&[
        (SERVER_NAME, &sni(b"a.example")),
        (SERVER_NAME, &sni(b"b.example")),
    ]);
    let two_names = with_extensions(&[(SERVER_NAME, b"\x00\x08\x00\x00\x01a\x00\x00\x01b")]);
    let nul = with_extensions(&[(SERVER_NAME, &sni(b"api.openai.com\0.x"))]);
    let no_name = with_extensions(&[(SERVER_NAME, b"")]);
    let no_protocol = with_extensions(&[(ALPN, b"\x00\x00")]);
    let mut trailing = with_extensions(&[]);
    (trailing[4], trailing[8]) = (trailing[4] + 1, trailing[8] + 1);
    trailing.push(0);
    let cases: [(&[u8], &str); 11] = [
        (&twice, "twice"),
        (&two_names, "exactly one"),
        (&nul, "not a host name"),
        (&no_name, "past its end"),
        (&no_protocol, "ALPN"),
        (&trailing, "follow"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "not a ClientHello"),
        (b"\x16\x03\x01\x00\x04\x01\x02\x00\x00", "64 KiB"),
        (b"\x16\x03\x01\x00\x00", "header"),
        (b"\x16\x03\x01\x00\x01\x01\x15", "interrupts"),
        (
            b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",
            "past its end",
        ),
    ];
    for (wire, reason) in cases {
        let Sniff::Invalid(got) = sniff(wire) else {
            panic!("{reason}: {:?}", sniff(wire))
        };
        assert!(got.contains(reason), "{got} / {reason}");
    }
}

#[test]
fn endless_tiny_records_end_at_the_limit() {
    let message = [&[1, 0, 0xff, 0][..], &[0; 70_000]].concat();
    let wire: Vec<u8> = message
        .iter()
        .flat_map(|byte| [22, 3, 1, 0, 1, *byte])
        .collect();
    assert_eq!(sniff(&wire[..MAX_BYTES - 1]), Sniff::NeedMore);
    assert_eq!(sniff(&wire[..MAX_BYTES]), Sniff::Invalid(TOO_LARGE));
}

proptest! {
    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), as_tls in any::<bool>()) {
        if as_tls {
            bytes.splice(0..0, [22, 3, 1, 1, 0, 1, 0, 0, 0xf0]);
        }
        sniff(&bytes);
    }

    #[test]
    fn damage_never_panics(at in 0usize..200, to in any::<u8>()) {
        let mut wire = from_rustls("api.openai.com", &[b"h2"], true);
        let at = at % wire.len();
        wire[at] = to;
        sniff(&wire);
    }
}
