//! Streams to addresses that nobody had heard of: caught by their first bytes, and steered the next time.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::{Agent, World, canary};

use super::{TEXT, ask, assert_masked, counted, options, world};

/// Sends bytes to an address as they are told, and prints what came of it, and whether at once.
const SEND: &str = "
import raw, socket, sys, time
def ends(send, host='198.51.100.11', kind='v4'):
    sock = raw.connect(kind, host)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begun = time.time()
    def talk():
        send(sock)
        sock.recv(1)
    error = raw.error(talk)
    return error if time.time() - begun < 1.5 else 'late'
def padded(hello, size, first):
    body = hello[9:]
    at = 34
    for width in (1, 2, 1):
        at += width + int.from_bytes(body[at : at + width], 'big')
    padding = bytes.fromhex('0015') + size.to_bytes(2, 'big') + bytes(size)
    extensions = padding + body[at + 2 :] if first else body[at + 2 :] + padding
    body = body[:at] + len(extensions).to_bytes(2, 'big') + extensions
    message = b'\\x01' + len(body).to_bytes(3, 'big') + body
    return hello[:3] + len(message).to_bytes(2, 'big') + message
LLM, OTHER = raw.hello('api.anthropic.com'), raw.hello('www.example.com')
";

fn said(world: &World, agent: &Agent<'_>, code: &str) -> Result<String> {
    world
        .client(&agent.bundle())
        .code(&format!("{SEND}\n{code}"))
}

/// Nothing that was sent to be caught came through.
fn assert_silent(world: &World) {
    let record = world.upstream.record();
    assert_eq!(record.requests().len(), 0);
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
}

#[test]
fn a_hello_for_an_llm_host_ends_at_once_and_its_retry_is_masked() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let mut kinds = vec![
        ("v4", "198.51.100.11"),
        ("v6", "198.51.100.12"),
        ("mapped", "198.51.100.13"),
    ];
    match std::fs::read_to_string("/proc/sys/net/mptcp/enabled") {
        Ok(enabled) if enabled.trim() == "1" => kinds.push(("mptcp", "198.51.100.50")),
        _ => println!("not tried: this kernel has no MPTCP"),
    }
    for (number, (kind, host)) in (0..).zip(&kinds) {
        let ask = ask(kind, host, "api.anthropic.com");
        let (begun, first) = (Instant::now(), client.code(&ask));
        assert!(first.is_err(), "{kind}: {first:?}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{kind}: {took:?}");
        assert_silent(&world);
        assert_eq!(counted(&world)?, (number, number + 1));
        assert_masked(&world, &client.code(&ask)?);
    }
    let log = agent.log()?;
    assert!(
        log.contains("\"reason\":\"caught\"") && log.contains("\"comm\":\"python"),
        "{log}"
    );
    let metrics = agent.metrics()?;
    let counted = format!(
        "interceptor_refused_total{{reason=\"caught\"}} {}",
        kinds.len()
    );
    assert!(metrics.contains(&counted), "{metrics}");
    Ok(())
}

#[test]
fn a_hello_that_can_not_be_read_in_one_packet_is_caught_too() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let code = "
def bytewise(sock):
    for byte in LLM:
        sock.send(bytes([byte]))
        time.sleep(0.001)
def in_records(sock):
    body = LLM[5:]
    sock.send(LLM[:3] + (9).to_bytes(2, 'big') + body[:9] + LLM[:3] + (len(body) - 9).to_bytes(2, 'big') + body[9:])
def urgent(sock):
    sock.send(b'x', socket.MSG_OOB)
    time.sleep(0.1)
    sock.send(LLM)
def other_bytewise(sock):
    for byte in OTHER[:9]:
        sock.send(bytes([byte]))
        time.sleep(0.001)
print(ends(bytewise))
print(ends(in_records, '198.51.100.12'))
print(ends(urgent, '198.51.100.13'))
print(ends(other_bytewise, '198.51.100.50'))
";
    assert_eq!(
        said(&world, &agent, code)?,
        "ConnectionAbortedError\n".repeat(4)
    );
    assert_silent(&world);
    assert_eq!(counted(&world)?, (0, 4));
    // From there on the agent reads, and decides by the name alone.
    let client = world.client(&agent.bundle());
    assert_masked(
        &world,
        &client.code(&ask("v4", "198.51.100.11", "api.anthropic.com"))?,
    );
    let other = client.code(&ask("v4", "198.51.100.50", "www.example.com"))?;
    assert!(other.contains("You said"), "{other}");
    assert_eq!(counted(&world)?, (2, 4));
    Ok(())
}

#[test]
fn long_hellos_and_patterns_are_read() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(
        &world,
        &options("[[hosts]]\nhost = \"*.wild.example\"\nprotocol = \"anthropic\""),
    )?;
    // One address each: what was caught once is steered from there on.
    let code = "
print(ends(lambda sock: sock.send(padded(LLM, 1400, True))))
print(ends(lambda sock: sock.send(padded(LLM, 5000, False)), '198.51.100.12'))
print(ends(lambda sock: sock.send(raw.hello('bedrock-runtime.xx-new-1.amazonaws.com')), '198.51.100.13'))
print(ends(lambda sock: sock.send(raw.hello('Some.Where.Wild.Example')), '198.51.100.50'))
";
    assert_eq!(
        said(&world, &agent, code)?,
        "ConnectionAbortedError\n".repeat(4)
    );
    assert_silent(&world);
    assert_eq!(counted(&world)?, (0, 4));
    let client = world.client(&agent.bundle());
    assert_masked(
        &world,
        &client.code(&ask("v4", "198.51.100.50", "some.where.wild.example"))?,
    );
    Ok(())
}

#[test]
fn what_is_no_hello_for_an_llm_host_passes() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let code = "
for hello in (
    OTHER,
    padded(OTHER, 1400, True),
    raw.hello(None),
    raw.hello('s3.eu-central-1.amazonaws.com'),
    raw.hello('api.anthropic.com.evil.example'),
    raw.hello('front.example', ech=True),
    b'GET / HTTP/1.1\\r\\n\\r\\n',
):
    # The provider answers with a handshake or an alert of its own.
    print(ends(lambda sock: sock.send(hello)))
";
    let seen = said(&world, &agent, code)?;
    assert_eq!(seen, "none\n".repeat(7));
    assert_eq!(counted(&world)?, (0, 0));
    Ok(())
}

#[test]
fn data_in_the_syn_is_looked_at() -> Result<()> {
    let world = world()?;
    let mut options = options("");
    options.steering += "\nports = [443, 8443]";
    let agent = Agent::start(&world, &options)?;
    // Data goes with the SYN, also without a cookie (ip-sysctl, tcp_fastopen).
    let set = Command::new("ip")
        .args([
            "netns",
            "exec",
            world.clients.name(),
            "sh",
            "-c",
            "echo 5 > /proc/sys/net/ipv4/tcp_fastopen",
        ])
        .status()?;
    ensure!(set.success());
    let client = world.client(&agent.bundle());
    let ask = format!("import raw; print(raw.fast_open('{TEXT}'))");
    let begun = Instant::now();
    assert!(client.code(&ask).is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_silent(&world);
    // Nobody listens there: without data in it, the SYN would be refused, and nothing caught.
    let closed = "
sock = socket.socket()
print(raw.error(lambda: sock.sendto(LLM, raw.FASTOPEN, ('198.51.100.50', 8443))) != 'none')";
    assert_eq!(said(&world, &agent, closed)?, "True\n");
    assert_eq!(counted(&world)?, (0, 2));
    assert_masked(&world, &client.code(&ask)?);
    Ok(())
}

#[test]
fn a_socket_is_looked_at_again_when_it_connects_again() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let code = "
import ctypes
def undo(sock):
    assert ctypes.CDLL(None).connect(sock.fileno(), bytes(16), 16) == 0
sock = raw.connect('v4', '198.51.100.50')
sock.send(OTHER)
print(len(sock.recv(1)))
undo(sock)
sock.connect(('198.51.100.11', 443))
sock.send(LLM)
print(raw.error(lambda: sock.recv(1)))
# And one that was steered goes direct, and is looked at then.
sock = raw.connect('v4', '198.51.100.11')
undo(sock)
sock.connect(('198.51.100.12', 443))
sock.send(LLM)
print(raw.error(lambda: sock.recv(1)))
";
    assert_eq!(
        said(&world, &agent, code)?,
        "1\nConnectionAbortedError\nConnectionAbortedError\n"
    );
    assert_silent(&world);
    assert_eq!(counted(&world)?, (1, 2));
    Ok(())
}

#[test]
fn a_stream_of_a_container_is_ended_there() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let container = world.container(101)?;
    let client = world.client_in(&container, &agent.bundle());
    let ask = ask("v4", "198.51.100.11", "api.anthropic.com");
    let begun = Instant::now();
    assert!(client.code(&ask).is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_silent(&world);
    assert_masked(&world, &client.code(&ask)?);
    Ok(())
}
