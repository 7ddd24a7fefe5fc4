//! The scope `known-hosts`: known addresses are steered, others go direct, and what was missed is caught by its first bytes.

mod caught;

use std::fs;

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Backend, World, pins};
use serde_json::Value;

pub(crate) use crate::connect::{TEXT, assert_masked};

/// The scope, with hosts of a test's own.
pub(crate) fn options(tables: &str) -> Options {
    Options {
        steering: "scope = \"known-hosts\"".to_owned(),
        tables: tables.to_owned(),
        ..Options::default()
    }
}

/// This theme is about eBPF.
pub(crate) fn world() -> Result<World> {
    World::on(Backend::Ebpf)
}

/// What `interceptor status` says.
pub(crate) fn status(world: &World) -> Result<Value> {
    let ran = Agent::command(world)?
        .args(["status", "--json", "--config"])
        .arg(world.dir().join("interceptor.toml"))
        .output()?;
    ensure!(ran.status.success(), "{ran:?}");
    Ok(serde_json::from_slice(&ran.stdout)?)
}

/// How many connects were steered, and how many streams were caught.
pub(crate) fn counted(world: &World) -> Result<(u64, u64)> {
    let status = status(world)?;
    let count = |name: &str| status["counters"][name].as_u64().unwrap_or(u64::MAX);
    Ok((count("steered"), count("caught")))
}

/// Python that asks a host over a socket, and prints the answer.
pub(crate) fn ask(kind: &str, address: &str, name: &str) -> String {
    format!(
        "import raw\n\
         print(raw.exchange(raw.tls(raw.connect('{kind}', '{address}'), '{name}'), raw.request('{TEXT}', '{name}')))"
    )
}

#[test]
fn what_is_not_known_goes_direct_and_no_connect_of_it_is_steered() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6", "mapped"] {
        let answer = client.code(&ask(kind, "198.51.100.50", "www.example.com"))?;
        assert!(answer.contains("You said"), "{answer}");
    }
    let big = "import raw, ssl
stream = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
print(len(raw.exchange(stream, raw.request('x' * 3_000_000, 'www.example.com'))) > 3_000_000)";
    assert_eq!(client.code(big)?, "True\n");
    let plain = client.curl(["http://www.example.com/"])?;
    assert_eq!(plain.stdout, r#"{"stub":true}"#, "{plain:?}");
    assert_eq!(counted(&world)?, (0, 0));
    let told = status(&world)?;
    assert_eq!(told["scope"], "known-hosts");
    // The ranges that are published.
    assert_eq!(told["known_addresses"], 2);
    Ok(())
}

#[test]
fn addresses_of_a_range_are_steered_and_a_reload_changes_them() -> Result<()> {
    let world = world()?;
    let range = |ranges: &str| {
        options(&format!(
            "[[hosts]]\nhost = \"api.anthropic.com\"\nprotocol = \"anthropic\"\nranges = {ranges}"
        ))
    };
    let agent = Agent::start(&world, &range(r#"["198.51.100.8/29", "2001:db8::11"]"#))?;
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6", "mapped"] {
        let answer = client.code(&ask(kind, "198.51.100.11", "api.anthropic.com"))?;
        assert_masked(&world, &answer);
    }
    // What was verified to serve the host stays known, whatever the ranges are.
    assert_eq!(counted(&world)?, (3, 0));
    assert_eq!(status(&world)?["known_addresses"], 3);
    let steered = "import raw; raw.connect('v4', '198.51.100.12').close()";
    client.code(steered)?;
    assert_eq!(counted(&world)?, (4, 0));
    Agent::prepare(&world, &range("[]"))?;
    agent.signal("HUP")?;
    ensure!(agent.logs("config reloaded")?, "{}", agent.log()?);
    client.code(steered)?;
    assert_eq!(counted(&world)?, (4, 0));
    assert_eq!(status(&world)?["known_addresses"], 2);
    Ok(())
}

#[test]
fn addresses_that_names_resolve_to_are_known_from_the_start() -> Result<()> {
    let world = world()?;
    fs::write(
        world.dir().join("hosts"),
        "198.51.100.11 api.anthropic.com\n2001:db8::11 api.anthropic.com\n",
    )?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    for kind in ["v4", "v6", "mapped"] {
        let answer = client.code(&ask(kind, "198.51.100.11", "api.anthropic.com"))?;
        assert_masked(&world, &answer);
    }
    let plain = client.curl(["--write-out", "%{http_code}", "http://api.anthropic.com/"])?;
    assert!(plain.stdout.ends_with("403"), "{plain:?}");
    assert_eq!(counted(&world)?, (4, 0));
    Ok(())
}

#[test]
fn what_a_pattern_stands_for_is_known_before_anybody_called_it() -> Result<()> {
    let world = world()?;
    let name = "bedrock-runtime.eu-central-1.amazonaws.com";
    fs::write(world.dir().join("hosts"), format!("198.51.100.14 {name}\n"))?;
    let agent = Agent::start(&world, &options(""))?;
    let nameless = "import raw
sock = raw.connect('v4', '198.51.100.14')
sock.sendall(raw.hello(None))
print(sock.recv(99).hex())";
    let alert = world.client(&agent.bundle()).code(nameless)?;
    assert_eq!(alert, "15030300020231\n", "access_denied");
    assert_eq!(counted(&world)?, (1, 0));
    Ok(())
}

#[test]
fn an_agent_that_comes_back_knows_what_was_learnt() -> Result<()> {
    let world = world()?;
    let mut agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let ask = ask("v4", "198.51.100.11", "api.anthropic.com");
    assert!(client.code(&ask).is_err());
    agent.kill()?;
    // Nobody listens, so what is known is refused; others go direct.
    let refused = "import raw\n\
        print(raw.refused(lambda: raw.connect('v4')), raw.refused(lambda: raw.connect('v4', '198.51.100.50')))";
    assert_eq!(client.code(refused)?, "ConnectionRefusedError none\n");
    drop(agent);
    let agent = Agent::start(&world, &options(""))?;
    assert_masked(&world, &client.code(&ask)?);
    drop(agent);
    // In the scope `all` the program that reads DNS answers is gone, and everything is steered.
    let _agent = Agent::start(&world, &Options::default())?;
    let status = status(&world)?;
    assert_eq!(
        (&status["scope"], &status["known_addresses"]),
        (&"all".into(), &Value::Null)
    );
    let links = status["links"].as_array().map(Vec::len);
    assert_eq!(links, Some(pins::LINKS), "{status}");
    client.code("import raw; raw.connect('v4', '198.51.100.50').close()")?;
    Ok(())
}

#[test]
fn an_address_that_another_agent_took_out_is_steered_again() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let ask = ask("v4", "198.51.100.11", "api.anthropic.com");
    assert!(client.code(&ask).is_err());
    assert_masked(&world, &client.code(&ask)?);
    pins::forget_known(&world, &[[198, 51, 100, 11].into()])?;
    assert!(client.code(&ask).is_err(), "caught again");
    assert_masked(&world, &client.code(&ask)?);
    assert_eq!(counted(&world)?, (2, 2));
    Ok(())
}

#[test]
fn a_successor_goes_on_with_what_is_known() -> Result<()> {
    let world = world()?;
    let mut agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let [known, unknown] =
        ["198.51.100.11", "198.51.100.12"].map(|address| ask("v4", address, "api.anthropic.com"));
    assert!(client.code(&known).is_err());
    agent.upgrade()?;
    assert_masked(&world, &client.code(&known)?);
    assert!(client.code(&unknown).is_err());
    assert_masked(&world, &client.code(&unknown)?);
    assert_eq!(counted(&world)?, (2, 2));
    assert_eq!(status(&world)?["state"], "steering");
    Ok(())
}
