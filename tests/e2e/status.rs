//! `interceptor status`: what it says is what holds, whatever happened to the agent, its links or its cgroup.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_common::SCHEMA;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};
use serde_json::Value;

const CONNECT: &str = "import raw; print(raw.refused(lambda: raw.connect('v4')))";

/// The exit code and the JSON object.
fn status(world: &World) -> Result<(i32, Value)> {
    let (code, text) = run(world, &["--json"])?;
    Ok((code, serde_json::from_str(&text)?))
}

fn run(world: &World, args: &[&str]) -> Result<(i32, String)> {
    let ran = Agent::command(world)?
        .args(["status", "--config"])
        .arg(world.dir().join("interceptor.toml"))
        .args(args)
        .output()?;
    ensure!(ran.stderr.is_empty(), "{ran:?}");
    let code = ran.status.code().context("status was killed")?;
    Ok((code, String::from_utf8(ran.stdout)?))
}

fn links(status: &Value, state: &str) -> usize {
    let links = status["links"].as_array().into_iter().flatten();
    links.filter(|link| link["state"] == state).count()
}

#[test]
fn a_running_agent_is_told_with_all_that_it_enforces() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    assert_eq!(client.code(CONNECT)?, "none\n");
    let (code, told) = status(&world)?;
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(told["state"], "steering");
    assert_eq!(told["next_step"], Value::Null);
    assert_eq!(told["agent"]["state"], "alive");
    assert_eq!(told["agent"]["pid"], agent.pid());
    assert!(
        told["agent"]["heartbeat_age_ms"].as_u64() < Some(3000),
        "{told:#}"
    );
    assert_eq!(told["agent"]["stale_after_ms"], 3000);
    assert_eq!(told["cgroup"]["path"], world.cgroup.config_path());
    // All that is pinned is known, and in its place.
    let pinned = std::fs::read_dir(pins::dir(&world).join(format!("v{SCHEMA}/links")))?.count();
    assert_eq!(links(&told, "attached"), pinned, "{told:#}");
    let unknown = |link: &Value| link["hook"] == "unknown";
    assert!(
        !told["links"]
            .as_array()
            .is_some_and(|links| links.iter().any(unknown))
    );
    assert_eq!(told["port"]["number"], 15443);
    assert_eq!(told["port"]["ephemeral"], false);
    assert_eq!(told["namespaces"]["listening"], 1);
    assert_eq!(told["handoffs"]["entries"], pins::pending_at_last(&world)?);
    assert_eq!(told["counters"]["steered"], 1);
    let keys: Vec<_> = told.as_object().context("an object")?.keys().collect();
    let expected = [
        "agent",
        "cgroup",
        "counters",
        "handoffs",
        "known_addresses",
        "links",
        "namespaces",
        "next_step",
        "notes",
        "past_connections",
        "pins",
        "plain_ports",
        "port",
        "ports",
        "scope",
        "state",
    ];
    assert_eq!(keys, expected);
    let (code, text) = run(&world, &[])?;
    assert_eq!(code, 0, "{text}");
    for part in [
        "STEERING: ",
        "alive  pid",
        "steer4       connect4       attached",
        "steered",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        text.contains("sockets made outside it are not steered"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_connection_that_goes_past_the_agent_is_told() -> Result<()> {
    let world = World::new()?;
    let never = Options {
        steering: "never = [\"198.51.100.50/32\"]".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &never)?;
    let code = "
import socket, time
held = socket.create_connection(('198.51.100.50', 443))
print(flush=True)
time.sleep(60)
";
    let client = world.client(&agent.bundle());
    let mut holder = client.spawn("python3", ["-c", code])?;
    let said = holder.stdout.as_mut().context("no pipe")?;
    std::io::Read::read_exact(said, &mut [0])?;
    let (code, told) = status(&world)?;
    assert_eq!(
        (code, &told["past_connections"]),
        (0, &0.into()),
        "{told:#}"
    );
    // What is open goes on, and one like it would be steered now.
    agent.reload(&world, &Options::default())?;
    let (code, told) = status(&world)?;
    assert_eq!((code, &told["state"]), (1, &"partly".into()), "{told:#}");
    assert_eq!(told["past_connections"], 1);
    let (_, text) = run(&world, &[])?;
    assert!(
        text.contains("1 connections") && text.contains("restart the programs"),
        "{text}"
    );
    holder.kill()?;
    holder.wait()?;
    let (code, told) = status(&world)?;
    assert_eq!(
        (code, &told["past_connections"]),
        (0, &0.into()),
        "{told:#}"
    );
    Ok(())
}

#[test]
fn killed_stopped_and_hung_it_is_told_with_what_to_do() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        steering: "heartbeat = \"1s\"".to_owned(),
        ..Options::default()
    };
    let mut agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    agent.signal("STOP")?;
    std::thread::sleep(Duration::from_millis(1500));
    let (code, told) = status(&world)?;
    assert_eq!((code, &told["state"]), (1, &"refusing".into()), "{told:#}");
    assert_eq!(told["agent"]["state"], "stopped");
    assert!(
        told["agent"]["heartbeat_age_ms"].as_u64() > Some(1000),
        "{told:#}"
    );
    assert_eq!(client.code(CONNECT)?, "ConnectionRefusedError\n");
    agent.signal("CONT")?;
    let deadline = Instant::now() + Duration::from_secs(3);
    while status(&world)?.0 != 0 {
        assert!(Instant::now() < deadline, "{}", run(&world, &[])?.1);
    }
    assert_eq!(client.code(CONNECT)?, "none\n");
    agent.kill()?;
    // At once, while the heartbeat is still fresh.
    let (code, told) = status(&world)?;
    assert_eq!((code, &told["state"]), (1, &"refusing".into()), "{told:#}");
    assert_eq!(
        (&told["agent"]["state"], &told["agent"]["pid"]),
        (&"gone".into(), &Value::Null)
    );
    assert!(
        told["next_step"]
            .as_str()
            .is_some_and(|step| step.starts_with("start the agent"))
    );
    assert_eq!(links(&told, "attached"), pins::LINKS);
    assert_eq!(client.code(CONNECT)?, "ConnectionRefusedError\n");
    let text = run(&world, &[])?.1;
    assert!(
        text.starts_with("REFUSING: ") && text.contains("\ndo: start the agent"),
        "{text}"
    );
    Ok(())
}

#[test]
fn before_and_after_an_agent_nothing_is_steered() -> Result<()> {
    let world = World::new()?;
    Agent::prepare(&world, &Options::default())?;
    for installed in [false, true] {
        if installed {
            Agent::start(&world, &Options::default())?.kill()?;
            let done = Agent::command(&world)?
                .args(["uninstall", "--config"])
                .arg(world.dir().join("interceptor.toml"))
                .output()?;
            assert!(done.status.success(), "{done:?}");
        }
        let (code, told) = status(&world)?;
        assert_eq!(
            (code, &told["state"]),
            (1, &"not_steering".into()),
            "{told:#}"
        );
        assert_eq!(links(&told, "missing"), pins::LINKS);
        assert_eq!(told["agent"]["state"], "gone");
        assert!(
            told["next_step"]
                .as_str()
                .is_some_and(|step| step.contains("interceptor run"))
        );
        assert!(run(&world, &[])?.1.starts_with("NOT STEERING: "));
    }
    Ok(())
}

#[test]
fn a_link_whose_cgroup_is_not_the_configured_one_is_told() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let config = world.dir().join("interceptor.toml");
    let right = std::fs::read_to_string(&config)?;

    // The config names another cgroup than the agent steers.
    let other = world.cgroup.path().join("other");
    std::fs::create_dir(&other)?;
    let wrong = right.replace(
        &world.cgroup.config_path(),
        &format!("{}/other", world.cgroup.config_path()),
    );
    std::fs::write(&config, wrong)?;
    let (code, told) = status(&world)?;
    assert_eq!(
        (code, &told["state"]),
        (1, &"not_steering".into()),
        "{told:#}"
    );
    assert_eq!(links(&told, "elsewhere"), pins::LINKS);
    std::fs::write(&config, &right)?;
    std::fs::remove_dir(&other)?;
    assert_eq!(status(&world)?.0, 0);

    // One link is not pinned any more. An agent would put it back.
    agent.kill()?;
    std::fs::remove_file(pins::dir(&world).join(format!("v{SCHEMA}/links/guard6")))?;
    let (code, told) = status(&world)?;
    assert_eq!((code, &told["state"]), (1, &"partly".into()), "{told:#}");
    assert_eq!(
        (links(&told, "missing"), links(&told, "attached")),
        (1, pins::LINKS - 1)
    );

    // The cgroup goes, and one of the same name comes.
    std::fs::remove_dir(world.cgroup.path())?;
    let (code, told) = status(&world)?;
    assert_eq!(
        (code, &told["state"]),
        (1, &"not_steering".into()),
        "{told:#}"
    );
    assert!(
        told["next_step"]
            .as_str()
            .is_some_and(|step| step.contains("there is no cgroup"))
    );
    std::fs::create_dir(world.cgroup.path())?;
    // The kernel lets go of the links of a cgroup some time after it is gone.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let (code, told) = status(&world)?;
        assert_eq!(
            (code, &told["state"]),
            (1, &"not_steering".into()),
            "{told:#}"
        );
        if (links(&told, "detached"), links(&told, "missing")) == (pins::LINKS - 1, 1) {
            break;
        }
        ensure!(Instant::now() < deadline, "{told:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = world.client(world.upstream.ca_file());
    assert_eq!(
        client.code("import raw; raw.tls(raw.connect('v4'))")?,
        "",
        "and it is so: nothing is steered"
    );

    // What it says to do helps.
    assert!(
        told["next_step"]
            .as_str()
            .is_some_and(|step| step.contains("restart the agent"))
    );
    let _agent = Agent::start(&world, &Options::default())?;
    let (code, told) = status(&world)?;
    assert_eq!((code, &told["state"]), (0, &"steering".into()), "{told:#}");
    Ok(())
}
