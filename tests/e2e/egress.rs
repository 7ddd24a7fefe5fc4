//! The backstop on the way out: packets of sockets that no other hook saw, and connects that came too early.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

use crate::audit;

/// Connections and sockets that were there first, TCP and UDP.
const EARLY: &str = "
import pathlib, raw, socket, sys, time
begun, go = map(pathlib.Path, sys.argv[1:])
stream = raw.tls(raw.connect('v4'))
other = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
datagrams = socket.socket(type=socket.SOCK_DGRAM)
datagrams.connect(raw.ANTHROPIC)
begun.touch()
while not go.exists():
    time.sleep(0.01)
stream.settimeout(5)
other.settimeout(5)
def after(call):
    try:
        return 'answered' if call() else 'closed'
    except OSError as error:
        return type(error).__name__
print(after(lambda: raw.exchange(stream, raw.request('stop i-0123456789abcdef0'))))
print(after(lambda: raw.exchange(other, raw.request('stop i-0123456789abcdef0', 'www.example.com'))))
print(after(lambda: datagrams.send(b'i-0123456789abcdef0')))
";

#[test]
fn connections_that_were_open_before_are_ended() -> Result<()> {
    let world = World::new()?;
    let (begun, go) = (world.dir().join("begun"), world.dir().join("go"));
    let early = world.client(world.upstream.ca_file());
    let (printed, log) = std::thread::scope(|scope| -> Result<_> {
        let client = scope.spawn(|| early.code_with(EARLY, [&begun, &go]));
        while !begun.exists() {
            ensure!(
                !client.is_finished(),
                "the client ended: {:?}",
                client.join()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let agent = Agent::start(&world, &Options::default())?;
        fs::write(&go, "")?;
        Ok((client.join().expect("no panic")?, agent.log()?))
    })?;
    let seen: Vec<_> = printed.lines().collect();
    assert!(
        matches!(seen[..], [llm, other, "PermissionError"] if ![llm, other].contains(&"answered")),
        "{seen:?}\n{log}"
    );
    assert!(log.contains("connections from before were ended"), "{log}");
    let everything = world.upstream.record().everything();
    assert!(!String::from_utf8_lossy(&everything).contains("i-0123456789abcdef0"));
    assert_eq!(world.upstream.record().datagrams(), 0);
    Ok(())
}

#[test]
fn a_connect_before_the_agent_listens_there_waits() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let container = world.container(101)?;
    // The agent is kept from listening there for a while, and its sign of life stays fresh enough.
    agent.signal("STOP")?;
    let client = world.client_in(&container, &agent.bundle());
    let code =
        "import raw; print(raw.exchange(raw.tls(raw.connect('v4')), raw.request('at 10.77.31.8')))";
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.code(code));
        std::thread::sleep(Duration::from_millis(500));
        ensure!(!waiting.is_finished(), "{:?}", waiting.join());
        agent.signal("CONT")?;
        let answer = waiting.join().expect("no panic")?;
        ensure!(answer.contains("You said: at 10.77.31.8"), "{answer}");
        Ok(())
    })?;
    // Counters are taken over now and then.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let metrics = agent.metrics()?;
        let held = metrics.lines().any(|line| {
            line.starts_with("interceptor_kernel_events{event=\"held\"} ") && !line.ends_with(" 0")
        });
        if held {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{metrics}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_packet_written_by_hand_is_dropped_and_told() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(&world, &audit::options(&file, ""))?;
    let code = "
import raw, socket, struct
syn = struct.pack('!HHIIBBHHH', 5555, 443, 1, 0, 0x50, 2, 65535, 0, 0)
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
print(raw.error(lambda: sock.sendto(syn, ('198.51.100.11', 0))))
other = struct.pack('!HHIIBBHHH', 5555, 22, 1, 0, 0x50, 2, 65535, 0, 0)
print(raw.error(lambda: sock.sendto(other, ('198.51.100.11', 0))))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "PermissionError\nnone\n");
    assert!(agent.logs("\"missed\"")?, "{}", agent.log()?);
    let log = agent.log()?;
    let line = log.lines().find(|line| line.contains("\"missed\""));
    let is_named = |line: &str| line.contains("\"uid\"") || line.contains("\"pid\"");
    assert!(!line.is_none_or(is_named), "packets leave in nobody's name");
    let record = &audit::records(&file, 1)?[0];
    assert_eq!(record["refused"], "missed");
    let who = &record["who"];
    assert!(who["uid"].is_null() && who["pid"].is_null(), "{who}");
    Ok(())
}

#[test]
fn a_routing_header_leads_nowhere_else() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    // Link-local destinations are nobody's business; the header (RFC 8754, none of its segments left) has another.
    let code = "
import raw, socket
def send(to):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    header = bytes([0, 2, 4, 0, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, to)
    IPV6_RTHDR = 57
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RTHDR, header)
    device = [index for index, name in socket.if_nameindex() if name != 'lo'][0]
    return raw.error(lambda: sock.sendto(b'x', ('fe80::77', 443, 0, device)))
print(send('2001:db8::11'), send('fe80::78'))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "PermissionError none\n");
    assert!(agent.logs("\"missed\"")?, "{}", agent.log()?);
    assert_eq!(world.upstream.record().datagrams(), 0);
    Ok(())
}

/// Reports of multicast memberships (RFC 3810), without which a switch that listens for them forwards no neighbour's question.
#[test]
fn what_the_kernel_says_of_multicast_leaves() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import ctypes, subprocess, time
CLONE_NEWNET = 0x40000000
assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
for command in ('link add there type veth peer name back', 'link set back up', 'link set there up'):
    subprocess.run(['ip', *command.split()], check=True)
time.sleep(2)
";
    world.client(&agent.bundle()).code(code)?;
    assert!(!agent.log()?.contains("\"missed\""), "{}", agent.log()?);
    Ok(())
}
