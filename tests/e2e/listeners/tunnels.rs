//! What is said in a tunnel has to agree with what was asked for; else it ends, and nothing goes on.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World};

use super::loopback;

const TUNNEL: &str = r#"
import json, raw, socket, ssl, sys

def ask(target, head=b""):
    sock = socket.create_connection(("127.0.0.1", 15480), 10)
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + head)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    return sock, int(answer.split()[1])

def tunnel(target, head=b""):
    sock, status = ask(target, head)
    assert status == 200, status
    return sock

def heard(sock, data):
    try:
        return raw.exchange(sock, data)
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
"#;

/// What a script said that may use the above, each line of it one JSON document.
fn said(world: &World, agent: &Agent<'_>, code: &str) -> Result<Vec<String>> {
    let client = world.client(&agent.bundle());
    let said = client.code(&format!("{TUNNEL}\n{code}"))?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// Waits until connections that have ended have given up their places, too.
fn none_is_open(agent: &Agent<'_>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !agent.metrics()?.contains("interceptor_open_connections 0") {
        ensure!(Instant::now() < deadline, "{}", agent.metrics()?);
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn assert_nothing_went_on(world: &World, agent: &Agent<'_>) -> Result<()> {
    let record = world.upstream.record();
    let (connections, requests) = (record.connections(), record.requests().len());
    assert_eq!((connections, requests), (0, 0), "{}", agent.log()?);
    Ok(())
}

#[test]
fn another_name_in_the_tunnel_is_refused() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    let code = r#"
for target, name in [
    ("api.anthropic.com:443", "api.openai.com"),
    ("api.anthropic.com:443", "www.example.com"),
    ("www.example.com:443", "api.anthropic.com"),
]:
    try:
        raw.tls(tunnel(target), name)
        print("accepted", target, name)
    except ssl.SSLError as error:
        print(error.reason)
"#;
    assert_eq!(
        said(&world, &agent, code)?,
        ["TLSV1_ALERT_ACCESS_DENIED"; 3]
    );
    assert_eq!(agent.log()?.matches("\"host_mismatch\"").count(), 3);
    assert_eq!(world.upstream.record().requests().len(), 0);
    Ok(())
}

#[test]
fn another_host_in_the_request_is_refused() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let code = r#"
stream = raw.tls(tunnel("api.anthropic.com:443"))
print(raw.exchange(stream, raw.request("at 10.77.31.8", "api.openai.com")).split()[1])
"#;
    assert_eq!(said(&world, &agent, code)?, ["421"]);
    assert_nothing_went_on(&world, &agent)
}

#[test]
fn what_is_no_tls_is_refused_towards_an_llm_host() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let mut options = loopback("");
    options.tables += "\n[limits]\nheader_timeout = \"1s\"";
    let agent = Agent::start(&world, &options)?;
    let code = r#"
plain = b"POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\n\r\n"
print(heard(tunnel("api.anthropic.com:443"), plain).split()[1])
# At once with the CONNECT, too.
print(heard(tunnel("api.anthropic.com:443", plain), b"").split()[1])
print(heard(tunnel("api.anthropic.com:443"), b"SSH-2.0-OpenSSH_9.2\r\n"))
print(heard(tunnel("api.anthropic.com:443"), b""))
print(heard(tunnel("api.anthropic.com:443"), raw.hello("api.anthropic.com")[:40]))
print(heard(tunnel("api.anthropic.com:443"), raw.hello(None)).encode().hex())
"#;
    let heard = said(&world, &agent, code)?;
    assert_eq!(heard[..5], ["403", "403", "reset", "reset", "reset"]);
    assert!(heard[5].starts_with("1503"), "an alert: {}", heard[5]);
    for reason in ["plain_http", "not_http", "bad_opening", "no_sni"] {
        assert!(agent.log()?.contains(&format!("\"{reason}\"")), "{reason}");
    }
    assert_nothing_went_on(&world, &agent)
}

#[test]
fn a_client_that_does_not_wait_for_its_tunnel_has_one() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let code = r#"
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="api.anthropic.com")
sock = None
def step(action):
    global sock
    while True:
        try:
            return action()
        except ssl.SSLWantReadError:
            data = outgoing.read()
            if sock is None:
                sock = tunnel("api.anthropic.com:443", data)
            else:
                sock.sendall(data)
            incoming.write(sock.recv(65536))
step(session.do_handshake)
session.write(raw.request("at 10.77.31.8"))
sock.sendall(outgoing.read())
answer = b""
while b"You said" not in answer:
    answer += step(lambda: session.read(65536))
print("at 10.77.31.8" in answer.decode())
"#;
    assert_eq!(said(&world, &agent, code)?, ["True"]);
    assert_eq!(world.upstream.record().requests().len(), 1);
    Ok(())
}

#[test]
fn other_hosts_ports_and_addresses_are_refused_before_anything_is_resolved() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let code = r#"
for target in [
    "www.example.com:443", "nowhere.example:443", "198.51.100.11:443", "[2001:db8::11]:443", "127.0.0.1:443",
    "api.anthropic.com:80", "api.anthropic.com:22",
]:
    print(ask(target)[1])
"#;
    assert_eq!(said(&world, &agent, code)?, ["403"; 7]);
    let log = agent.log()?;
    assert_eq!(log.matches("\"other_host\"").count(), 5, "{log}");
    assert_eq!(log.matches("\"other_port\"").count(), 2, "{log}");
    assert!(
        !log.contains("nowhere"),
        "names that nobody asked about are nobody's business"
    );
    assert_nothing_went_on(&world, &agent)
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let mut options = loopback("");
    options.tables += "\n[limits]\nheader_timeout = \"1s\"\nconnections = 3";
    let agent = Agent::start(&world, &options)?;
    let heard = |data: &str| {
        none_is_open(&agent)?;
        let code = r#"
import time
def connect(data):
    sock = socket.create_connection(("127.0.0.1", 15480), 10)
    sock.sendall(data)
    return sock
start = time.monotonic()
socks = [connect(DATA) for _ in range(3)]
# No place is free.
print(heard(connect(b"GET / HTTP/1.1\r\n\r\n"), b"") in ("", "reset"))
print([heard(sock, b"").split()[1:2] for sock in socks])
assert time.monotonic() - start < 5
"#;
        said(&world, &agent, &code.replace("DATA", data))
    };
    assert_eq!(heard("b\"\"")?, ["True", "[[], [], []]"]);
    let timeouts = "[['408'], ['408'], ['408']]";
    let begun = heard("b\"CONNECT api.anthropic.com:443 HTT\"")?;
    assert_eq!(begun, ["True", timeouts]);
    // Whoever comes later has a place.
    none_is_open(&agent)?;
    let code = "print(ask('127.0.0.1:1')[1])";
    assert_eq!(said(&world, &agent, code)?, ["403"]);
    assert_nothing_went_on(&world, &agent)
}
