//! nftables, beside what `cargo xtask test` runs on it of the other themes: the rules themselves, and who gets past them.

mod past;
mod rules;

use std::process::Command;

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Backend, World};
use serde_json::Value;

use crate::connect::{TEXT, assert_masked};

fn world() -> Result<World> {
    World::on(Backend::Nftables)
}

fn options(steering: &str) -> Options {
    Options {
        steering: steering.to_owned(),
        ..Options::default()
    }
}

/// Runs `nft` as root among the clients: what it printed.
fn nft(world: &World, args: &[&str]) -> Result<String> {
    let ran = Command::new("ip")
        .args(["netns", "exec", world.clients.name(), "nft"])
        .args(args)
        .output()?;
    ensure!(ran.status.success(), "{args:?}: {ran:?}");
    Ok(String::from_utf8(ran.stdout)?)
}

/// All rules, without what counts or runs out.
fn ruleset(world: &World) -> Result<String> {
    nft(world, &["--stateless", "list", "ruleset"])
}

/// Python that asks over a socket, and prints the answer.
fn ask(socket: &str) -> String {
    format!("import raw, socket\nprint(raw.exchange(raw.tls({socket}), raw.request('{TEXT}')))")
}

#[test]
fn one_capability_is_enough_for_every_kind_of_socket() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &Options::default())?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    // Bit 12, CAP_NET_ADMIN.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let line = format!("{set}:\t0000000000001000\n");
        assert!(status.contains(&line), "{status}");
    }
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6", "mapped"] {
        assert_masked(
            &world,
            &client.code(&ask(&format!("raw.connect('{kind}')")))?,
        );
    }
    assert_masked(
        &world,
        &client.code(&format!("import raw; print(raw.fast_open('{TEXT}'))"))?,
    );
    let user = client.uid(65534);
    assert_masked(&world, &user.code(&ask("raw.connect('v6')"))?);
    let events = agent.exchanges_after(4)?;
    assert_eq!(
        (&events[0]["uid"], &events[0]["pid"]),
        (&65534.into(), &Value::Null),
        "the user is known, the process is not"
    );
    Ok(())
}

#[test]
fn quic_is_rejected_and_other_datagrams_pass() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options("never = [\"198.51.100.50/32\"]"))?;
    let code = "
import raw, socket
def twice(family, host, port):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((host, port))
        print(*(raw.refused(lambda: sock.send(b'QUIC')) for _ in range(2)))
for family, host in ((socket.AF_INET, '198.51.100.11'), (socket.AF_INET6, '2001:db8::11'), (socket.AF_INET6, '::ffff:198.51.100.11')):
    twice(family, host, 443)
    print(raw.refused(lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b'QUIC', (host, 443))))
    print(raw.refused(lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b'QUIC', (host, 4433))))
";
    let said = world.client(&agent.bundle()).code(code)?;
    // The drop is told at once, and a connected socket gets the ICMP error too.
    let each = "PermissionError ConnectionRefusedError\nPermissionError\nnone\n";
    assert_eq!(said, each.repeat(3));
    assert_eq!(world.upstream.record().datagrams(), 0);
    // As with eBPF, what is never steered is not looked at.
    let never = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.50', 443))";
    world.client(&agent.bundle()).code(never)?;
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(world.upstream.record().datagrams(), 1);
    Ok(())
}
