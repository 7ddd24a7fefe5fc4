//! `ingress`: DNS answers that anybody gets are learnt from, and do no harm.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::{Agent, World, pins};

use crate::known_hosts::{ask, assert_masked, counted, options, status, world};

/// A resolver at the provider's that answers every question with these addresses; it ends with the world.
struct Resolver {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Resolver {
    fn start(world: &World, listen: &str, answer: Vec<u8>) -> Result<Self> {
        let socket = world.provider.run(|| UdpSocket::bind((listen, 53)))??;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut question = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut question) {
                    let message = answered(&question[..length], &answer);
                    let _ = socket.send_to(&message, from);
                }
            }
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The question with one record behind it: an A or AAAA record, by the length of the address.
fn answered(question: &[u8], address: &[u8]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] |= 0x80;
    message[7] = 1;
    let kind = if address.len() == 4 { 1 } else { 28 };
    message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, address.len() as u8]);
    message.extend(address);
    message
}

/// Asks a resolver for a name, and waits a moment, as programs that go on to connect seldom do.
fn resolve(resolver: &str, name: &str) -> String {
    format!(
        "
import socket, time
resolver = ('{resolver}', 53)
sock = socket.socket(socket.AF_INET6 if ':' in resolver[0] else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
question = b'\\x12\\x34\\x01\\x00\\x00\\x01' + bytes(6)
for label in '{name}'.split('.'):
    question += bytes([len(label)]) + label.encode()
sock.sendto(question + bytes([0, 0, 1, 0, 1]), resolver)
assert len(sock.recv(512)) > 12
time.sleep(0.3)
"
    )
}

#[test]
fn an_address_in_an_answer_is_steered_on_the_first_try() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    for (resolver, name, host, kind, address) in [
        (
            "198.51.100.50",
            "api.anthropic.com",
            "198.51.100.11",
            "v4",
            vec![198, 51, 100, 11],
        ),
        (
            "2001:db8::50",
            "eu.openai.azure.com",
            "198.51.100.12",
            "v6",
            "2001:db8::12"
                .parse::<std::net::Ipv6Addr>()?
                .octets()
                .to_vec(),
        ),
    ] {
        let _resolver = Resolver::start(&world, resolver, address)?;
        client.code(&resolve(resolver, name))?;
        let name = "api.anthropic.com";
        assert_masked(&world, &client.code(&ask(kind, host, name))?);
    }
    assert_eq!(counted(&world)?, (2, 0));
    Ok(())
}

#[test]
fn answers_about_others_and_addresses_that_are_never_steered_change_nothing() -> Result<()> {
    let world = world()?;
    let mut options = options("");
    options.steering += "\nnever = [\"198.51.100.13/32\"]";
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    for (name, address) in [
        ("www.example.com", [198, 51, 100, 50]),
        ("api.anthropic.com", [127, 0, 0, 1]),
        ("api.anthropic.com", [198, 51, 100, 13]),
    ] {
        let _resolver = Resolver::start(&world, "198.51.100.50", address.to_vec())?;
        client.code(&resolve("198.51.100.50", name))?;
    }
    let code = "
import raw, socket
server = socket.create_server(('127.0.0.1', 443))
near = socket.create_connection(('127.0.0.1', 443), 5)
print(server.accept()[1] == near.getsockname())
for host in ('198.51.100.13', '198.51.100.50'):
    raw.connect('v4', host).close()
";
    assert_eq!(client.code(code)?, "True\n");
    assert_eq!(counted(&world)?, (0, 0));
    Ok(())
}

#[test]
fn datagrams_that_are_no_answers_come_through_as_they_are() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let before = status(&world)?["known_addresses"].clone();
    let code = "
import socket
near, far = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
far.bind(('127.0.0.1', 53))
near.bind(('127.0.0.1', 0))
near.settimeout(5)
for message in (b'', b'x', bytes(12), b'\\x80' * 12, b'\\xc0' * 600, b'\\x81' * 9000, bytes([0, 0, 0x80, 0, 0, 1, 255, 255]) + b'\\xc0' * 3000):
    far.sendto(message, near.getsockname())
    print(near.recv(65535) == message)
";
    let client = world.client(&agent.bundle());
    assert_eq!(client.code(code)?, "True\n".repeat(7));
    assert_eq!(status(&world)?["known_addresses"], before);
    Ok(())
}

/// Addresses in answers that nobody asked for, for a week each: behind which one they begin, and how many. How many of the
/// answers were sent.
const FORGE: &str = "
import raw, socket, sys
address, count = map(int, sys.argv[1:])
near, far = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
far.bind(('127.0.0.1', 53))
near.bind(('127.0.0.1', 0))
name = b'\\x03api\\x09anthropic\\x03com\\x00'
end, sent = address + count, 0
while address < end:
    message = bytes([0, 0, 0x80, 0, 0, 1, 0, 50, 0, 0, 0, 0]) + name + bytes([0, 1, 0, 1])
    for _ in range(50):
        address += 1
        message += bytes([0xc0, 12, 0, 1, 0, 1, 0, 9, 0x3a, 0x80, 0, 4]) + address.to_bytes(4, 'big')
    far.sendto(message, near.getsockname())
    near.recv(4096)
    sent += 1
print(sent)
";

/// 10.0.0.0, behind which addresses are forged.
const NET_10: u32 = 10 << 24;

/// As in a hand-over, when two agents have the maps for a while.
#[test]
fn what_another_agent_took_out_is_in_nobodys_way() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    // As many as there is nearly room for, and then some for which others have to go.
    let (first, more) = (1..=8150, 8151..=8250);
    for (numbers, gone) in [(first, true), (more, false)] {
        let behind = NET_10 + numbers.start() - 1;
        let count = numbers.end() - numbers.start() + 1;
        client.code_with(FORGE, [behind, count].map(|number| number.to_string()))?;
        let forged: Vec<_> = numbers.map(|number| (NET_10 + number).into()).collect();
        let deadline = Instant::now() + Duration::from_secs(5);
        let is_known = |known: &BTreeSet<_>| forged.iter().all(|address| known.contains(address));
        while !is_known(&pins::known(&world)?) {
            ensure!(Instant::now() < deadline, "{}", status(&world)?);
            thread::sleep(Duration::from_millis(50));
        }
        if gone {
            pins::forget_known(&world, &forged)?;
        }
    }
    Ok(())
}

#[test]
fn forged_answers_push_out_nothing_that_names_resolve_to_and_stop_nobody() -> Result<()> {
    let world = world()?;
    std::fs::write(
        world.dir().join("hosts"),
        "198.51.100.11 api.anthropic.com\n",
    )?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    thread::scope(|scope| -> Result<()> {
        let forging = scope
            .spawn(|| client.code_with(FORGE, [NET_10, 100_000].map(|number| number.to_string())));
        while !forging.is_finished() {
            assert_eq!(agent.admin("/ready")?.0, 200);
        }
        let sent = forging.join();
        let sent = sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        assert_eq!(sent, "2000\n");
        Ok(())
    })?;
    let answer = client.code(&ask("v4", "198.51.100.11", "api.anthropic.com"))?;
    assert_masked(&world, &answer);
    assert_eq!(counted(&world)?, (1, 0));
    // There is room for so many; the others are the ranges that are published, and the host's. What was sent last may be on its
    // way still, and a map that changes can't be counted.
    let fits = |known: u64| (6000..=8192 + 3).contains(&known);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !status(&world)?["known_addresses"]
        .as_u64()
        .is_some_and(fits)
    {
        ensure!(Instant::now() < deadline, "{}", status(&world)?);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
