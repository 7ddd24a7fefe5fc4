//! An agent after another, or beside it: the newest config counts, and two never share a port or pins.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

use super::{call, is_right};

fn steering(lines: &str) -> Options {
    Options {
        steering: lines.to_owned(),
        ..Options::default()
    }
}

/// Runs a second agent on a config, to its end: what it complained about.
fn rival(world: &World, config: &str) -> Result<String> {
    let path = world.dir().join("rival.toml");
    std::fs::write(&path, config)?;
    let ended = Agent::command(world)?
        .args(["run", "--config"])
        .arg(&path)
        .output()?;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    Ok(String::from_utf8(ended.stderr)?)
}

#[test]
fn a_second_agent_says_that_there_is_one_and_harms_nothing() -> Result<()> {
    let world = World::new()?;
    let config = Agent::prepare(&world, &Options::default())?;
    let config = std::fs::read_to_string(config)?;
    let agent = Agent::start(&world, &Options::default())?;
    let other_admin = config.replace(":9901", ":9902");
    let other_port = other_admin.replace("[steering]", "[steering]\nlisten_port = 15444");
    let other_pins = other_admin.replace("/bpf/interceptor", "/bpf/rival");
    for (config, said) in [
        (&config, "another agent"),
        (&other_admin, "another agent"),
        (&other_port, "another agent"),
        (&other_pins, "listen_port"),
    ] {
        let error = rival(&world, config)?;
        assert!(error.contains(said), "{error}");
        let ran = call(&world.client(&agent.bundle()))?;
        assert!(is_right(&ran), "{ran:?}");
    }
    Ok(())
}

#[test]
fn a_changed_config_takes_effect_and_nothing_of_the_old_stays() -> Result<()> {
    let world = World::new()?;
    let client = world.client(world.upstream.ca_file());
    // What no agent answers is what is steered: each agent is killed as soon as it was ready.
    let steered = |address: &str, port: u16| -> Result<bool> {
        let kind = if address.contains(':') { "v6" } else { "v4" };
        let last = address.rsplit([':', '.']).next().unwrap_or_default();
        let code = format!(
            "import raw; print(raw.refused(lambda: raw.connect('{kind}', '198.51.100.{last}', {port})))"
        );
        Ok(client.code(&code)? == "ConnectionRefusedError\n")
    };
    let configs = [
        ("", [true, true, true, true]),
        (
            "never = [\"198.51.100.50/32\", \"2001:db8::50/128\"]",
            [false, false, true, true],
        ),
        ("never = [\"198.51.100.0/28\"]", [true, true, false, true]),
        ("ports = [8443]\nplain_ports = []", [false; 4]),
        ("never = []", [true, true, true, true]),
    ];
    for (lines, expected) in configs {
        Agent::start(&world, &steering(lines))?.kill()?;
        let found = [
            steered("198.51.100.50", 443)?,
            steered("2001:db8::50", 443)?,
            steered("198.51.100.11", 443)?,
            steered("198.51.100.50", 80)?,
        ];
        // Port 80 of an address never steered isn't either.
        let expected = [
            expected[0],
            expected[1],
            expected[2],
            expected[0] && expected[3],
        ];
        assert_eq!(found, expected, "{lines}");
    }
    Ok(())
}
