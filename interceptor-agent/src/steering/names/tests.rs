//! That no name of an LLM host is overlooked, by the same steps that the kernel takes.

use interceptor_common::{
    hello::{self, Hello, Packet},
    name,
};
use proptest::prelude::*;

use super::*;
use crate::{
    hosts::Host,
    protocol::Protocol,
    tls::client_hello::{Sniff, sniff},
};

/// A packet whose stream begins behind headers of the least length that there can be.
const HEADERS: usize = 40;

struct Bytes<'a>(&'a [u8]);

impl Packet for Bytes<'_> {
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let at = usize::try_from(at).ok()?;
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }
}

impl Names {
    /// As `direct.rs` of the eBPF programs does it.
    fn catches(&self, packet: &[u8], start: u32, end: u32) -> bool {
        let packet = Bytes(packet);
        let end = match packet.bytes(end - 1) {
            Some([b'.']) => end - 1,
            _ => end,
        };
        let Some(window) = packet.bytes(end.wrapping_sub(TAIL as u32)) else {
            return true;
        };
        let reversed = name::reversed(window, end - start);
        let longest = self
            .ends
            .iter()
            .filter(|((bits, bytes), _)| {
                let length = *bits as usize / 8;
                bytes[..length] == reversed[..length]
            })
            .max_by_key(|((bits, _), _)| *bits);
        match longest {
            None => false,
            Some((_, &ENDS_SO_AND_BEGINS)) => packet.bytes(start).is_none_or(|head| {
                let head = name::beginning(head);
                self.beginnings.iter().any(|(bits, bytes)| {
                    let length = *bits as usize / 8;
                    bytes[..length] == head[..length]
                })
            }),
            Some(_) => true,
        }
    }

    fn catches_name(&self, name: &str) -> bool {
        let mut packet = vec![b'!'; 200];
        packet.extend(name.bytes());
        packet.extend(b"and something behind it");
        self.catches(&packet, 200, 200 + name.len() as u32)
    }
}

fn hosts() -> Hosts {
    let mut hosts = Hosts::builtin();
    for pattern in [
        "*.llm.corp.example",
        "llm.corp.example",
        "a-name-that-is-longer-than-what-the-kernel-looks-at.and-then-some.corp.example",
        "*.eu.amazonaws.com",
    ] {
        hosts.insert(Host::new(pattern, Protocol::OpenAi, "").unwrap());
    }
    hosts
}

#[test]
fn names_are_caught_in_any_spelling_and_neighbours_are_not() {
    let names = Names::of(&hosts());
    for name in [
        "api.anthropic.com",
        "API.Anthropic.COM",
        "api.anthropic.com.",
        "llm.corp.example",
        "x.llm.corp.example",
        "corp.openai.azure.com",
        "a-resource-with-a-name-as-long-as-azure-lets-one-have-it-be-00000.openai.azure.com",
        "europe-west4-aiplatform.googleapis.com",
        "aiplatform.googleapis.com",
        "bedrock-runtime.eu-central-1.amazonaws.com",
        "Bedrock-Runtime.EU-central-1.amazonaws.com",
        "bedrock-runtime.x.eu.amazonaws.com",
        "a-name-that-is-longer-than-what-the-kernel-looks-at.and-then-some.corp.example",
    ] {
        assert!(names.catches_name(name), "{name}");
    }
    for name in [
        "anthropic.com",
        "xapi.anthropic.com",
        "api.anthropic.com.evil.example",
        "corp.example",
        "s3.eu-central-1.amazonaws.com",
        "storage.googleapis.com",
        "www.example.com",
        "c",
    ] {
        assert!(!names.catches_name(name), "{name}");
    }
}

#[test]
fn a_pattern_with_a_beginning_hides_no_wider_one() {
    let mut hosts = Hosts::builtin();
    hosts.insert(Host::new("*.amazonaws.com", Protocol::None, "").unwrap());
    assert!(Names::of(&hosts).catches_name("s3.amazonaws.com"));
}

/// A ClientHello with these extensions, each a type and its content.
fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let list: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&kind.to_be_bytes()[..], &length, content].concat()
        })
        .collect();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &[0, 2, 0x13, 1],
        &[1, 0],
        &length(&list),
        &list,
    ]
    .concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[22, 3, 1][..], &length(&message), &message].concat()
}

fn server_name(name: &str) -> (u16, Vec<u8>) {
    let length = name.len() as u8;
    let mut content = vec![0, length + 3, 0, 0, length];
    content.extend(name.bytes());
    (0, content)
}

fn read(stream: &[u8]) -> (Vec<u8>, Hello) {
    let mut packet = vec![0x45; HEADERS];
    packet.extend(stream);
    let hello = hello::read(&Bytes(&packet), HEADERS as u32);
    (packet, hello)
}

#[test]
fn a_short_name_in_a_short_hello_is_read() {
    let names = Names::of(&hosts());
    for (name, caught) in [("api.x.ai", true), ("x.ai", false)] {
        let (packet, found) = read(&hello(&[server_name(name)]));
        let Hello::Name(start, end) = found else {
            panic!("{found:?}");
        };
        assert_eq!(&packet[start as usize..end as usize], name.as_bytes());
        assert_eq!(names.catches(&packet, start, end), caught, "{name}");
    }
}

#[test]
fn what_is_no_hello_or_names_nobody_is_told_from_what_can_not_be_read() {
    assert_eq!(read(b"GET / HTTP/1.1\r\n").1, Hello::NotTls);
    for other in [20, 21, 23, 24] {
        assert_eq!(read(&[other, 3, 3]).1, Hello::Unreadable);
    }
    assert_eq!(read(&hello(&[])).1, Hello::NoName);
    assert_eq!(read(&hello(&[(43, vec![2, 3, 4])])).1, Hello::NoName);
    let many: Vec<_> = (0..40).map(|_| (99, vec![])).collect();
    assert_eq!(read(&hello(&many)).1, Hello::Unreadable);
    let whole = hello(&[(51, vec![0; 1216]), server_name("api.anthropic.com")]);
    assert!(matches!(read(&whole).1, Hello::Name(..)));
    for cut in 1..whole.len() {
        assert_eq!(read(&whole[..cut]).1, Hello::Unreadable, "{cut}");
    }
    // The record ends before the name does.
    let mut split = whole.clone();
    let shorter = u16::from_be_bytes([split[3], split[4]]) - 20;
    split[3..5].copy_from_slice(&shorter.to_be_bytes());
    assert_eq!(read(&split).1, Hello::Unreadable);
}

proptest! {
    /// Whatever is sent: where the agent's own reader finds an LLM host, the kernel's lets nothing pass.
    #[test]
    fn nothing_that_the_agent_reads_as_an_llm_host_passes(
        before in proptest::collection::vec((1u16.., proptest::collection::vec(any::<u8>(), 0..300)), 0..40),
        name in prop_oneof!["[a-zA-Z0-9.-]{0,40}(api\\.anthropic\\.com|\\.openai\\.azure\\.com|llm\\.corp\\.example)\\.?", "[a-zA-Z0-9.]{1,80}"],
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut extensions = before;
        extensions.push(server_name(&name));
        let mut stream = hello(&extensions);
        for (at, byte) in flips {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        if is_cut {
            stream.truncate(1 + cut.index(stream.len()));
        }
        let (packet, found) = read(&stream);
        let hosts = hosts();
        let Sniff::Tls(hello) = sniff(&stream) else {
            return Ok(());
        };
        if hello.sni.is_some_and(|name| hosts.lookup(&name).is_some()) {
            match found {
                Hello::Name(start, end) => prop_assert!(Names::of(&hosts).catches(&packet, start, end)),
                found => prop_assert_eq!(found, Hello::Unreadable),
            }
        }
    }
}
