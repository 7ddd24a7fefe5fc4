//! Hosts that are no LLM hosts, where a listener passes them: untouched, and never to the agent's own machine.

use std::process::Command;

use anyhow::Result;
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World};

use super::{PROXY, assert_answered, assert_masked, call, listener, loopback};

#[test]
fn other_hosts_pass_as_they_are() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    // Who trusts only the provider's own CA sees the provider's own certificate.
    let client = world.client(world.upstream.ca_file());
    let url = "https://www.example.com/anything";
    let ran = client.curl(["-x", PROXY, "--data", "at 10.77.31.8", url])?;
    assert!(ran.status.success(), "{ran:?}\n{}", agent.log()?);
    let seen = world.upstream.record().requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, "at 10.77.31.8");
    // By a base URL only LLM hosts are to be had.
    let url = format!("{PROXY}/www.example.com/anything");
    let ran = client.curl(["-x", "", "--write-out", "%{http_code}", &url])?;
    assert!(ran.stdout.ends_with("404"), "{ran:?}");
    assert_eq!(world.upstream.record().requests().len(), 1);
    Ok(())
}

#[test]
fn over_a_unix_socket_they_pass_too() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let path = world.dir().join("agent.sock");
    let lines = format!("path = \"{}\"\nothers = \"pass\"", path.display());
    let _agent = Agent::start(&world, &listener(&lines))?;
    let alone = world.isolated(101)?;
    let code = r#"
import raw, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n")
answer = b""
while b"\r\n\r\n" not in answer:
    answer += sock.recv(1)
assert b" 200 " in answer, answer
stream = raw.tls(sock, "www.example.com")
text = "x" * 3_000_000
print(raw.exchange(stream, raw.request(text, "www.example.com")).split()[1])
"#;
    let client = world.client_in(&alone, world.upstream.ca_file());
    assert_eq!(client.code_with(code, [&path])?.trim(), "200");
    let seen = world.upstream.record().requests();
    assert!(seen.len() == 1 && seen[0].body.len() > 3_000_000);
    Ok(())
}

#[test]
fn an_address_is_as_good_as_one_that_was_steered() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    let client = world.client(&agent.bundle());
    let mut calls = 0;
    for address in ["198.51.100.11", "[2001:db8::11]"] {
        // The name in the tunnel stays what it is.
        let to = format!("api.anthropic.com:443:{address}:443");
        let ran = call(
            &client,
            ["-x", PROXY, "--connect-to", &to],
            "https://api.anthropic.com/v1/messages",
        )?;
        assert_answered(&ran, &agent)?;
        calls += 1;
    }
    assert_masked(&world, &agent, calls)
}

#[test]
fn the_agents_own_machine_is_out_of_reach() -> Result<()> {
    let world = World::on(Backend::Off)?;
    // A second address: who connects to it does so from the first.
    let added = Command::new("ip")
        .args(["-n", world.clients.name()])
        .args(["address", "add", "198.51.100.3/24", "dev", "eth0"])
        .status()?;
    assert!(added.success());
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    let code = r#"
import socket
server = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
for target in [
    "localhost:443", "127.0.0.1:443", "127.1:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "0.0.0.0:443", "[::]:443",
    "169.254.169.254:443", "[fe80::1]:443", "198.51.100.2:443", "198.51.100.3:443", "[2001:db8::2]:443",
]:
    sock = socket.create_connection(("127.0.0.1", 15480), 10)
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    print(target, sock.recv(65536).split()[1].decode())
server.settimeout(0.5)
try:
    server.accept()
    print("somebody came")
except TimeoutError:
    pass
"#;
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said.lines().count(), 12, "{said}");
    assert!(said.lines().all(|line| line.ends_with(" 403")), "{said}");
    assert_eq!(agent.log()?.matches("\"this_machine\"").count(), 12);
    Ok(())
}

#[test]
fn a_host_that_is_not_there_is_an_error_of_the_proxy() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    let client = world.client(&agent.bundle());
    for target in ["nowhere.example", "198.51.100.99"] {
        let url = format!("https://{target}/");
        let ran = client.curl(["-x", PROXY, "--max-time", "15", &url])?;
        assert_eq!(ran.status.code(), Some(56), "{ran:?}");
        assert!(ran.stderr.contains("502"), "{ran:?}");
    }
    Ok(())
}
