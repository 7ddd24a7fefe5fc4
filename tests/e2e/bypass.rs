//! Ways past the agent, each tried for real: what is attempted, what is to come of it, what came of it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::Value;

/// What each attempt of `tests/clients/bypass.py` has to end in. README.md shows the same table.
const EXPECTED: [(&str, &str); 22] = [
    ("address_with_sni", "masked"),
    ("address_without_sni", "refused"),
    ("other_host_later_on_the_connection", "refused"),
    ("plain_http", "refused"),
    ("connect_through_a_proxy", "refused"),
    ("quic_connected", "refused"),
    ("quic_unconnected", "refused"),
    ("multipath_tcp", "masked"),
    ("fast_open_by_sendto", "masked"),
    ("fast_open_by_option", "masked"),
    ("non_blocking", "masked"),
    ("io_uring", "masked"),
    ("forged_mark", "masked"),
    ("bound_to_a_device", "refused"),
    ("made_in_another_cgroup", "masked"),
    ("nested_cgroup_namespace", "masked"),
    ("entered_network_namespace", "masked"),
    ("client_hello_in_single_bytes", "masked"),
    ("raw_tcp", "refused"),
    ("raw_ip", "refused"),
    ("raw_udp", "refused"),
    ("raw_tcp_over_ipv6", "refused"),
];

#[test]
fn every_way_past_ends_masked_or_refused() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let container = world.container(101)?;
    let arguments = [world.cgroup.config_path().into(), container.path()];
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(60));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/bypass.py");
    let printed = client.code_with(&fs::read_to_string(script)?, arguments)?;
    let seen: Value = serde_json::from_str(&printed)?;
    let everything = world.upstream.record().everything();
    let everything = String::from_utf8_lossy(&everything);

    let mut wrong = Vec::new();
    println!("{:<36} {:<9} seen", "attempt", "expected");
    for (attempt, expected) in EXPECTED {
        let came = seen[attempt]["seen"].as_str().unwrap_or("not tried");
        let value = seen[attempt]["value"].as_str().context("no value")?;
        println!("{attempt:<36} {expected:<9} {came}");
        if came != expected || everything.contains(value) {
            wrong.push((attempt, came, everything.contains(value)));
        }
    }
    ensure!(
        seen.as_object().map(|all| all.len()) == Some(EXPECTED.len()),
        "{seen}"
    );
    ensure!(
        wrong.is_empty(),
        "(attempt, seen, leaked): {wrong:?}\n{}",
        agent.log()?
    );
    assert_eq!(world.upstream.record().datagrams(), 0);
    Ok(())
}

#[test]
fn the_table_is_in_the_readme() -> Result<()> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    for (attempt, expected) in EXPECTED {
        let row = format!("| {} | {expected} |", attempt.replace('_', " "));
        ensure!(readme.contains(&row), "README.md has no row {row:?}");
    }
    Ok(())
}

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
