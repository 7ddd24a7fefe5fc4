//! `connect`: every kind of TCP socket is steered, QUIC goes nowhere, and what is out of scope passes untouched.

mod refused;
mod sockets;
mod unreachable;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};

/// What a user might write, and the value in it that must not get out.
pub const TEXT: &str = "the node at 10.77.31.8 is down";

/// The provider got it masked, and the client its own words back.
pub fn assert_masked(world: &World, answer: &str) {
    assert!(answer.contains(&format!("You said: {TEXT}")), "{answer}");
    let record = world.upstream.record();
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    let seen = record.last().expect("the provider got it").json();
    assert_eq!(
        seen["messages"][0]["content"],
        "the node at PRIVATE_IP_001 is down"
    );
    record.clear();
}

#[test]
fn ipv4_ipv6_and_v4_mapped_sockets_are_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6", "mapped"] {
        let code = format!(
            "import raw; print(raw.exchange(raw.tls(raw.connect('{kind}')), raw.request('{TEXT}')))"
        );
        assert_masked(&world, &client.code(&code)?);
    }
    Ok(())
}

#[test]
fn multipath_tcp_is_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    if std::fs::read_to_string("/proc/sys/net/mptcp/enabled")
        .unwrap_or_default()
        .trim()
        != "1"
    {
        println!("not run: this kernel has no MPTCP");
        return Ok(());
    }
    let code = format!(
        "import raw; print(raw.exchange(raw.tls(raw.connect('mptcp')), raw.request('{TEXT}')))"
    );
    assert_masked(&world, &world.client(&agent.bundle()).code(&code)?);
    Ok(())
}

#[test]
fn tcp_fast_open_is_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = format!("import raw; print(raw.fast_open('{TEXT}'))");
    // The second time there may be a cookie, and the ClientHello goes with the SYN.
    for _ in 0..2 {
        assert_masked(&world, &world.client(&agent.bundle()).code(&code)?);
    }
    Ok(())
}

#[test]
fn quic_is_refused_when_a_connected_socket_sends() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw, socket
for family, host in ((socket.AF_INET, '198.51.100.11'), (socket.AF_INET6, '2001:db8::11'), (socket.AF_INET6, '::ffff:198.51.100.11')):
    for port in 443, 4433:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))
            print(raw.refused(lambda: sock.send(b'QUIC')))
";
    let said = world.client(&agent.bundle()).code(code)?;
    let said: Vec<_> = said.lines().collect();
    for pair in said.chunks(2) {
        assert!(
            matches!(pair, ["ConnectionRefusedError" | "PermissionError", "none"]),
            "{said:?}"
        );
    }
    assert_eq!((said.len(), world.upstream.record().datagrams()), (6, 0));
    let counted = "interceptor_refused_total{reason=\"refused_quic\"} 3";
    let metrics = agent.metrics()?;
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}

/// A resolver asks by UDP which family it has a route for. A name has addresses of both here.
#[test]
fn without_a_route_for_ipv6_clients_choose_ipv4_by_themselves() -> Result<()> {
    let world = World::new()?;
    let container = world.container(101)?;
    container.without_ipv6()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client_in(&container, &agent.bundle());
    let data = format!(
        r#"{{"model":"stub","max_tokens":9,"messages":[{{"role":"user","content":"{TEXT}"}}]}}"#
    );
    let url = "https://api.anthropic.com/v1/messages";
    // The first one finds the agent listening there; where it has to wait for that, curl would go on to IPv6 after 0.2 s.
    for family in ["--ipv4", "--compressed"] {
        let ran = client.curl([family, "--data", &data, url])?;
        assert_masked(&world, &ran.stdout);
    }
    let code = format!(
        "import raw, socket; print(raw.exchange(raw.tls(socket.create_connection(('api.anthropic.com', 443))), raw.request('{TEXT}')))"
    );
    assert_masked(&world, &client.code(&code)?);
    // What is for others as well.
    let ran = client.curl(["--insecure", "https://www.example.com/"])?;
    assert_eq!(ran.stdout, r#"{"stub":true}"#, "{ran:?}");
    Ok(())
}

#[test]
fn outside_the_cgroup_nothing_is_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = format!(
        "import raw; print(raw.exchange(raw.tls(raw.connect('v4')), raw.request('{TEXT}')))"
    );
    world.direct_client().code(&code)?;
    let seen = world
        .upstream
        .record()
        .last()
        .expect("the provider got it")
        .json();
    assert_eq!(seen["messages"][0]["content"], TEXT);
    assert_eq!(agent.exchanges()?, [""; 0]);
    Ok(())
}

#[test]
fn destinations_never_to_be_steered_do_not_need_the_agent() -> Result<()> {
    let world = World::new()?;
    let never = r#"never = ["198.51.100.50/32", "2001:db8::50/128"]"#;
    let mut agent = Agent::start(
        &world,
        &Options {
            steering: never.to_owned(),
            ..Options::default()
        },
    )?;
    agent.kill()?;
    let client = world.client(world.upstream.ca_file());
    for ip in ["-4", "-6"] {
        let ran = client.curl([ip, "https://www.example.com/"])?;
        assert!(ran.status.success(), "{ran:?}");
        let ran = client.curl([ip, "https://llm.corp.example/"])?;
        assert!(!ran.status.success(), "{ran:?}");
    }
    Ok(())
}

#[test]
fn other_hosts_pass_with_their_own_certificate() -> Result<()> {
    let world = World::new()?;
    let _agent = Agent::start(&world, &Options::default())?;
    // Trusts the provider's CA alone, and so would refuse a certificate of ours.
    let client = world.client(world.upstream.ca_file());
    for (http, version) in [
        ("--http1.1", http::Version::HTTP_11),
        ("--http2", http::Version::HTTP_2),
    ] {
        let ran = client.curl([http, "https://www.example.com/"])?;
        assert_eq!(ran.stdout, r#"{"stub":true}"#, "{ran:?}");
        let seen = world.upstream.record().last().expect("the provider got it");
        assert_eq!(
            (seen.version, seen.sni.as_deref()),
            (version, Some("www.example.com"))
        );
    }
    Ok(())
}
