//! Messages as resolvers send them, and as nobody should.

use proptest::prelude::*;

use super::*;

/// A message with one question; records are made by [`record`].
fn message(question: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    let mut message = vec![0x12, 0x34, 0x81, 0x80, 0, 1];
    message.extend(count);
    message.extend([0, 0, 0, 1]);
    message.extend(name(question));
    message.extend([0, 1, 0, 1]);
    message.extend(records.concat());
    // EDNS, in the section behind.
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [
        owner,
        &kind.to_be_bytes(),
        &[0, 1, 0, 0, 1, 44],
        &length,
        data,
    ]
    .concat()
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        std::iter::once(length).chain(label.bytes())
    });
    labels.chain([0]).collect()
}

/// The question's name.
const POINTER: [u8; 2] = [0xc0, 12];

fn found(message: &[u8]) -> Vec<String> {
    let wanted = |name: &str| name.eq_ignore_ascii_case("api.anthropic.com");
    let found = addresses(message, wanted).into_iter();
    found.map(|address| address.to_string()).collect()
}

#[test]
fn addresses_of_a_wanted_name_are_found() {
    let v6: Ipv6Addr = "2001:db8::11".parse().unwrap();
    let both = [
        record(&POINTER, A, &[198, 51, 100, 11]),
        record(&POINTER, AAAA, &v6.octets()),
    ];
    let expected = ["198.51.100.11", "2001:db8::11"];
    assert_eq!(found(&message("Api.Anthropic.COM", &both)), expected);
    assert!(found(&message("www.example.com", &both)).is_empty());
}

#[test]
fn aliases_count_whichever_name_is_the_wanted_one() {
    let address = |owner: &str| record(&name(owner), A, &[198, 51, 100, 11]);
    for (question, target) in [
        ("api.anthropic.com", "front.example"),
        ("alias.example", "api.anthropic.com"),
    ] {
        let alias = record(&POINTER, CNAME, &name(target));
        let message = message(question, &[alias, address(target)]);
        assert_eq!(found(&message), ["198.51.100.11"], "{question}");
    }
}

#[test]
fn hints_of_https_records_are_addresses() {
    let data = [
        &[0, 1, 0][..],
        &[0, 1, 0, 3, 2, b'h', b'2'],
        &[0, 4, 0, 8, 198, 51, 100, 11, 198, 51, 100, 12],
        &[0, 6, 0, 16],
        &"2001:db8::11".parse::<Ipv6Addr>().unwrap().octets(),
    ]
    .concat();
    let message = message("api.anthropic.com", &[record(&POINTER, HTTPS, &data)]);
    let expected = ["198.51.100.11", "198.51.100.12", "2001:db8::11"];
    assert_eq!(found(&message), expected);
}

#[test]
fn what_comes_before_a_cut_counts() {
    let records = [[198, 51, 100, 11], [198, 51, 100, 12]].map(|ip| record(&POINTER, A, &ip));
    let mut whole = message("api.anthropic.com", &records);
    whole.truncate(whole.len() - 12);
    assert_eq!(found(&whole), ["198.51.100.11"]);
}

#[test]
fn pointers_that_lead_in_a_circle_or_forward_end_the_reading() {
    for pointer in [[0xc0, 12], [0xc0, 13], [0xc0, 40], [0xff, 0xff]] {
        let mut message = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        message.extend(pointer);
        message.extend([0, 1, 0, 1]);
        assert!(addresses(&message, |_| true).is_empty());
    }
}

proptest! {
    #[test]
    fn no_message_does_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), names in any::<bool>()) {
        if names && bytes.len() > 12 {
            bytes[4..8].copy_from_slice(&[0, 1, 0, 9]);
            for byte in &mut bytes[12..] {
                // Many pointers and short labels.
                *byte = if *byte > 200 { 0xc0 } else { *byte % 40 };
            }
        }
        let most = bytes.len() / 4;
        prop_assert!(addresses(&bytes, |_| true).len() <= most);
    }
}
