//! Ways past the rules, tried for real: forged marks, the agent's port, other people's NAT.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::Value;

use super::{TEXT, ask, assert_masked, nft, options, world};

/// The mark of the agent's own sockets, as only who may change the rules can read it.
fn mark(world: &World) -> Result<u64> {
    let rules: Value = serde_json::from_str(&nft(world, &["-j", "list", "ruleset"])?)?;
    let rules = rules["nftables"].as_array().context("no rules")?;
    let statements = rules
        .iter()
        .filter_map(|object| object["rule"]["expr"].as_array());
    statements
        .flatten()
        .find(|statement| statement["match"]["left"]["meta"]["key"] == "mark")
        .and_then(|statement| statement["match"]["right"].as_u64())
        .context("no rule has a mark")
}

#[test]
fn neither_the_mark_nor_the_port_alone_gets_out() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let mark = mark(&world)?;
    // As root and with all that root can read.
    let marked = |bound: &str, mark: u64| {
        format!(
            "
import raw, socket, sys
for family, host in ((socket.AF_INET, '198.51.100.11'), (socket.AF_INET6, '2001:db8::11')):
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, ({mark}).to_bytes(4, sys.byteorder))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    {bound}
    sock.connect((host, 443))
    try:
        print(raw.exchange(raw.tls(sock), raw.request('{TEXT}')))
    except OSError as error:
        print(error)
"
        )
    };
    // Who has the mark is taken for the agent itself, led back by somebody's rules.
    let answers = client.code(&marked("", mark))?;
    assert_eq!(world.upstream.record().connections(), 0, "{answers}");
    let lost = "interceptor_refused_total{reason=\"lost\"} 2\n";
    assert!(agent.metrics()?.contains(lost), "{}", agent.metrics()?);
    for set in ["own4", "own6"] {
        let element = format!(
            "add element inet interceptor {set} {{ 40404 timeout 60s, 40405 timeout 60s }}"
        );
        nft(&world, &[&element])?;
    }
    assert_masked(&world, &client.code(&marked("sock.bind(('', 40404))", 0))?);
    // Both together are what the agent has, and nobody else can have: the rules do make the difference.
    let direct = world.client(world.upstream.ca_file());
    let code = marked("sock.bind(('', 40405))", mark);
    direct.code(&code)?;
    let seen = world.upstream.record().last().context("nothing came")?;
    assert_eq!(seen.json()["messages"][0]["content"], TEXT);
    Ok(())
}

#[test]
fn no_exemption_outlives_its_connect() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options("never = []"))?;
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6"] {
        assert_masked(
            &world,
            &client.code(&ask(&format!("raw.connect('{kind}')")))?,
        );
    }
    // Passed on, and refused by the provider's side: port 80 of an address where nobody listens.
    let code = "
import raw
for host in ('198.51.100.50', '198.51.100.99'):
    with raw.connect('v4', host, 80) as sock:
        sock.sendall(b'GET / HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n')
        print(raw.refused(lambda: sock.recv(99)))
";
    client.code(code)?;
    for set in ["own4", "own6"] {
        let elements = nft(&world, &["list", "set", "inet", "interceptor", set])?;
        assert!(!elements.contains("elements"), "{elements}");
    }
    Ok(())
}

/// Asks `www.example.com` for a page, by plain HTTP.
const OTHER: &str = "
import raw
with raw.connect('v4', '198.51.100.50', 80) as sock:
    sock.sendall(b'GET / HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n')
    try:
        print(sock.recv(99)[9:12].decode() or 'closed')
    except ConnectionResetError:
        print('reset')
";

#[test]
fn rules_that_set_marks_keep_nobody_from_anything() -> Result<()> {
    let world = world()?;
    // What `iptables -t mangle -A OUTPUT -j CONNMARK --restore-mark` comes to.
    nft(
        &world,
        &["add table inet users; \
           add chain inet users output { type route hook output priority -150; }; \
           add rule inet users output meta mark set ct mark"],
    )?;
    let agent = Agent::start(&world, &options("never = []"))?;
    let client = world.client(&agent.bundle());
    assert_eq!(client.code(OTHER)?, "200\n", "{}", agent.log()?);
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_connections_total{verdict=\"pass\"} 1\n"),
        "{metrics}"
    );
    for kind in ["v4", "v6"] {
        assert_masked(
            &world,
            &client.code(&ask(&format!("raw.connect('{kind}')")))?,
        );
    }
    Ok(())
}

#[test]
fn a_connect_of_its_own_that_comes_back_is_refused_at_once() -> Result<()> {
    let world = world()?;
    // Before ours, and without an exemption.
    nft(
        &world,
        &["add table inet users; \
           add chain inet users output { type nat hook output priority -102; }; \
           add rule inet users output tcp dport { 80, 443 } redirect to :15443"],
    )?;
    let agent = Agent::start(&world, &options("never = []"))?;
    let client = world.client(&agent.bundle());
    assert_eq!(client.code(OTHER)?, "reset\n", "{}", agent.log()?);
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_refused_total{reason=\"lost\"} 1\n"),
        "{metrics}"
    );
    assert!(agent.log()?.contains("led the agent's own connect back"));
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}

#[test]
fn without_a_free_port_it_is_not_the_provider_who_is_blamed() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // One port, which is the client's.
    let narrowed = Command::new("ip")
        .args(["netns", "exec", world.clients.name(), "sysctl", "-q"])
        .args(["-w", "net.ipv4.ip_local_port_range=40000 40000"])
        .status()?;
    ensure!(narrowed.success(), "no port range: {narrowed}");
    let answer = client.code(&ask("raw.connect('v4')"))?;
    let log = agent.log()?;
    assert!(answer.contains(" 503 "), "{answer}\n{log}");
    assert!(answer.contains("ip_local_port_range"), "{answer}");
    assert!(log.contains("\"refused\":\"no_port\""), "{log}");
    Ok(())
}

#[test]
fn who_was_not_redirected_by_us_is_reset() -> Result<()> {
    let world = world()?;
    nft(
        &world,
        &["add table inet users; \
           add chain inet users output { type nat hook output priority -150; }; \
           add rule inet users output tcp dport 9999 redirect to :15443"],
    )?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw
def ask(address):
    sock = raw.socket.create_connection(address, 5)
    sock.sendall(raw.hello('api.anthropic.com'))
    sock.recv(99)
for address in (('127.0.0.1', 15443), ('198.51.100.11', 9999)):
    print(raw.refused(lambda: ask(address)))
";
    let said = world.client(&agent.bundle()).code(code)?;
    for line in said.lines() {
        assert!(
            ["ConnectionResetError", "BrokenPipeError"].contains(&line),
            "{said}"
        );
    }
    assert_eq!(said.lines().count(), 2);
    assert_eq!(world.upstream.record().connections(), 0);
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_refused_total{reason=\"lost\"} 2"),
        "{metrics}"
    );
    Ok(())
}

#[test]
fn the_agents_port_is_of_no_use_to_others() -> Result<()> {
    let world = world()?;
    let mut agent = Agent::start(&world, &options("heartbeat = \"60s\""))?;
    agent.kill()?;
    // Its sign of life still counts, so connects are redirected, to whoever has the port by now.
    let code = "
import raw, socket
def listen(host, family):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, 15443))
    server.listen()
    server.settimeout(0.2)
    return server
for host, family, kind in (('127.0.0.1', socket.AF_INET, 'v4'), ('0.0.0.0', socket.AF_INET, 'v4'), ('::1', socket.AF_INET6, 'v6'), ('::', socket.AF_INET6, 'v6')):
    with listen(host, family) as server:
        print(raw.refused(lambda: raw.connect(kind)), raw.refused(server.accept))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "ConnectionRefusedError TimeoutError\n".repeat(4));
    // With it back, the port is its own again.
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    assert_masked(&world, &client.code(&ask("raw.connect('v4')"))?);
    Ok(())
}

#[test]
fn a_socket_bound_to_a_device_does_not_get_out() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw, socket
for family, host in ((socket.AF_INET, '198.51.100.11'), (socket.AF_INET6, '2001:db8::11')):
    sock = socket.socket(family)
    sock.settimeout(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
    print(raw.refused(lambda: sock.connect((host, 443))))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert!(said.lines().all(|line| line != "none"), "{said}");
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}

#[test]
fn a_connection_from_before_does_not_go_on() -> Result<()> {
    // Conntrack may know of it, because of somebody else's rules, or not.
    for known in [false, true] {
        let world = world()?;
        if known {
            nft(&world, &[super::rules::USERS])?;
        }
        let client = world.client(world.upstream.ca_file());
        let (open, go) = (world.dir().join("open"), world.dir().join("go"));
        let code = format!(
            "
import pathlib, raw, sys, time
streams = [raw.tls(raw.connect(kind)) for kind in ('v4', 'v6')]
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
for stream in streams:
    stream.settimeout(5)
    print(raw.refused(lambda: print(raw.exchange(stream, raw.request('{TEXT}')), end='')))
"
        );
        let said = std::thread::scope(|scope| -> Result<String> {
            let talking = scope.spawn(|| client.code_with(&code, [&open, &go]));
            while !open.exists() && !talking.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _agent = Agent::start(&world, &Options::default())?;
            std::fs::write(&go, "")?;
            talking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        // Python's TLS takes a reset for an end now and then.
        for line in said.lines() {
            assert!(["none", "ConnectionResetError"].contains(&line), "{said}");
        }
        assert_eq!(said.lines().count(), 2);
        assert_eq!(world.upstream.record().requests().len(), 0);
    }
    Ok(())
}

#[test]
fn who_may_not_change_the_rules_keeps_no_agent_from_starting() -> Result<()> {
    let world = world()?;
    let over = world.dir().join("over");
    // By this address agents find one another.
    let code = "
import pathlib, socket, sys, time
held = socket.socket(socket.AF_UNIX)
held.bind('\\0interceptor-nftables')
held.listen()
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
";
    let user = world.client(world.upstream.ca_file()).uid(65534);
    let user = user.timeout(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let squatter = scope.spawn(|| user.code_with(code, [&over]));
        let held = || {
            let table = || std::fs::read_to_string("/proc/thread-self/net/unix");
            anyhow::Ok(world.clients.run(table)??.contains("@interceptor-nftables"))
        };
        while !squatter.is_finished() && !held()? {
            std::thread::sleep(Duration::from_millis(10));
        }
        let served = serves_beside_a_squatter(&world);
        std::fs::write(&over, "")?;
        squatter
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        served
    })
}

/// An agent starts and masks, is told to be gone once it is, starts again, and can be uninstalled.
fn serves_beside_a_squatter(world: &World) -> Result<()> {
    let options = options("heartbeat = \"500ms\"");
    let no_sign_of_life = || std::thread::sleep(Duration::from_millis(1200));
    let mut agent = Agent::start(world, &options)?;
    ensure!(agent.logs("no living agent")?, "{}", agent.log()?);
    let client = world.client(&agent.bundle());
    assert_masked(world, &client.code(&ask("raw.connect('v4')"))?);
    agent.kill()?;
    no_sign_of_life();
    let told = super::rules::run(world, &["status", "--json"])?;
    let told: Value = serde_json::from_slice(&told.stdout)?;
    assert_eq!(told["state"], "refusing");
    Agent::start(world, &options)?.kill()?;
    no_sign_of_life();
    let done = super::rules::run(world, &["uninstall"])?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}
