//! Ways past the agent, each tried for real: what is attempted, what is to come of it, what came of it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::Value;

use crate::known_hosts;

/// What each attempt of `tests/clients/bypass.py` has to end in. README.md shows the same table.
const EXPECTED: [(&str, &str); 29] = [
    ("address_with_sni", "masked"),
    ("address_without_sni", "refused"),
    ("other_host_later_on_the_connection", "refused"),
    ("plain_http", "refused"),
    ("plain_http_to_another_host_later", "refused"),
    ("connect_through_a_proxy", "refused"),
    ("connect_to_an_address_through_a_proxy", "refused"),
    ("connect_to_a_made_up_name_through_a_proxy", "refused"),
    ("connect_behind_another_request", "refused"),
    ("quic_connected", "refused"),
    ("quic_unconnected", "refused"),
    ("quic_corked", "refused"),
    ("quic_corked_then_connected_elsewhere", "refused"),
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
    ("client_hello_of_another_version", "refused"),
    ("raw_tcp", "refused"),
    ("raw_ip", "refused"),
    ("raw_udp", "refused"),
    ("raw_tcp_over_ipv6", "refused"),
];

#[test]
fn every_way_past_ends_masked_or_refused() -> Result<()> {
    tried(&World::new()?, &Options::default(), &[])
}

/// With the scope `known-hosts` nothing else comes of them towards an address that is known, but by way of one on a plain port
/// that is not.
#[test]
fn to_known_hosts_every_way_past_ends_so_too() -> Result<()> {
    let options = known_hosts::options(
        "[[hosts]]\nhost = \"api.anthropic.com\"\nprotocol = \"anthropic\"\n\
         ranges = [\"198.51.100.11\", \"2001:db8::11\"]",
    );
    // Towards a range, what can't be read is refused once a name has been resolved or verified: the first attempt does that.
    tried(
        &known_hosts::world()?,
        &options,
        &[
            "plain_http_to_another_host_later",
            "connect_through_a_proxy",
            "connect_to_an_address_through_a_proxy",
            "connect_to_a_made_up_name_through_a_proxy",
            "connect_behind_another_request",
        ],
    )
}

/// Tries them all, and compares what came of each but of those that are left out.
fn tried(world: &World, options: &Options, left_out: &[&str]) -> Result<()> {
    let agent = Agent::start(world, options)?;
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
    println!("{:<42} {:<9} seen", "attempt", "expected");
    for (attempt, expected) in EXPECTED {
        let came = seen[attempt]["seen"].as_str().unwrap_or("not tried");
        let value = seen[attempt]["value"].as_str().context("no value")?;
        println!("{attempt:<42} {expected:<9} {came}");
        if left_out.contains(&attempt) {
            continue;
        }
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
