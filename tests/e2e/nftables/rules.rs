//! The table: there as a whole or not at all, nobody else's touched, and nothing left of it.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::Value;

use super::{ask, assert_masked, nft, options, ruleset, world};

/// A table of the user's own, with NAT of its own.
pub(super) const USERS: &str = "add table inet users; \
    add chain inet users output { type nat hook output priority -100; }; \
    add rule inet users output tcp dport 9999 redirect to :15443";

pub(super) fn run(world: &World, args: &[&str]) -> Result<std::process::Output> {
    Ok(Agent::command(world)?
        .args(args)
        .arg("--config")
        .arg(world.dir().join("interceptor.toml"))
        .output()?)
}

#[test]
fn uninstall_leaves_what_was_there_before() -> Result<()> {
    let world = world()?;
    nft(&world, &[USERS])?;
    let before = ruleset(&world)?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let rules = ruleset(&world)?;
    assert!(rules.contains("table inet interceptor {"), "{rules}");
    assert!(rules.contains(before.trim()), "{rules}");

    let running = run(&world, &["uninstall"])?;
    let said = String::from_utf8(running.stderr)?;
    assert!(
        !running.status.success() && said.contains("stop it first"),
        "{said}"
    );
    agent.kill()?;
    assert!(ruleset(&world)?.contains("table inet interceptor {"));
    let code = "import raw; print(raw.refused(lambda: raw.connect('v4')), raw.refused(lambda: raw.connect('v6', port=80)))";
    let direct = world.client(world.upstream.ca_file());
    assert_eq!(
        direct.code(code)?,
        "ConnectionRefusedError ConnectionRefusedError\n"
    );

    for said in ["removed the nftables table", "nothing was installed"] {
        let done = run(&world, &["uninstall"])?;
        let printed = String::from_utf8(done.stdout)?;
        assert!(done.status.success() && printed.contains(said), "{printed}");
        assert_eq!(ruleset(&world)?, before);
    }
    assert_eq!(direct.code(code)?, "none none\n");
    Ok(())
}

#[test]
fn a_start_that_fails_changes_nothing() -> Result<()> {
    let world = world()?;
    nft(&world, &[USERS])?;
    let before = ruleset(&world)?;
    let config = Agent::prepare(&world, &Options::default())?;
    let good = std::fs::read_to_string(&config)?;
    let fails = |said: &str| -> Result<()> {
        let failed = run(&world, &["run"])?;
        let error = String::from_utf8(failed.stderr)?;
        assert!(!failed.status.success() && error.contains(said), "{error}");
        Ok(())
    };
    let taken = |port| {
        world
            .clients
            .run(move || TcpListener::bind(("127.0.0.1", port)))
    };

    let held = taken(15443)??;
    fails("listen_port")?;
    drop(held);
    let held = taken(9901)??;
    fails("admin.listen")?;
    drop(held);
    std::fs::write(&config, good.replace("/ca\"", "/no-ca\""))?;
    fails("no-ca")?;
    std::fs::write(&config, &good)?;
    assert_eq!(ruleset(&world)?, before);

    // The last step of all: a table that its owner holds is nobody else's to replace.
    let mut owner = Command::new("ip")
        .args([
            "netns",
            "exec",
            world.clients.name(),
            "nft",
            "--interactive",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut commands = owner.stdin.take().context("no pipe")?;
    writeln!(commands, "add table inet interceptor {{ flags owner; }}")?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while ruleset(&world)? == before {
        assert!(Instant::now() < deadline, "nft made no table");
        std::thread::sleep(Duration::from_millis(20));
    }
    let owned = ruleset(&world)?;
    fails("nftables: ")?;
    assert_eq!(ruleset(&world)?, owned);
    drop(commands);
    owner.wait()?;
    assert_eq!(ruleset(&world)?, before);

    // Nor does it take an earlier agent's rules away.
    Agent::start(&world, &Options::default())?.kill()?;
    let held = taken(15443)??;
    fails("listen_port")?;
    drop(held);
    let code = "import raw; print(raw.refused(lambda: raw.connect('v4')))";
    let client = world.client(world.upstream.ca_file());
    assert_eq!(client.code(code)?, "ConnectionRefusedError\n");
    Ok(())
}

#[test]
fn a_second_agent_says_that_there_is_one() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &Options::default())?;
    let config = world.dir().join("interceptor.toml");
    let other = std::fs::read_to_string(&config)?
        .replace(":9901", ":9902")
        .replace("[steering]", "[steering]\nlisten_port = 15444");
    std::fs::write(&config, other)?;
    let before = ruleset(&world)?;
    let rival = run(&world, &["run"])?;
    let said = String::from_utf8(rival.stderr)?;
    assert!(said.contains("another agent"), "{said}");
    assert_eq!(ruleset(&world)?, before);
    let client = world.client(&agent.bundle());
    assert_masked(&world, &client.code(&ask("raw.connect('v4')"))?);
    Ok(())
}

#[test]
fn flushed_rules_are_set_again() -> Result<()> {
    let world = world()?;
    let agent = Agent::start(&world, &options("heartbeat = \"1s\""))?;
    nft(&world, &["flush ruleset"])?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ruleset(&world)?.contains("redirect to :15443") {
        assert!(Instant::now() < deadline, "{}", agent.log()?);
        std::thread::sleep(Duration::from_millis(20));
    }
    let client = world.client(&agent.bundle());
    assert_masked(&world, &client.code(&ask("raw.connect('v6')"))?);
    assert!(agent.logs("somebody removed")?);
    Ok(())
}

#[test]
fn auto_takes_nftables_where_ebpf_is_not_to_be_had_and_says_why() -> Result<()> {
    let world = world()?;
    let config = Agent::prepare(&world, &Options::default())?;
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("\"nftables\"", "\"auto\""))?;
    let check = String::from_utf8(run(&world, &["check"])?.stdout)?;
    assert!(
        check.contains("auto: nftables") && check.contains("CAP_BPF"),
        "{check}"
    );
    let agent = Agent::spawn(&world, &config)?;
    agent.wait_until_ready()?;
    assert!(agent.logs("eBPF can't be used here")? && agent.logs("CAP_BPF")?);
    assert!(agent.logs(r#""backend":"nftables""#)?, "{}", agent.log()?);
    let client = world.client(&agent.bundle());
    assert_masked(&world, &client.code(&ask("raw.connect('v4')"))?);

    // The same config with every capability.
    let root = Command::new(interceptor_tests::agent::binary()?)
        .args(["check", "--config"])
        .arg(&config)
        .output()?;
    let check = String::from_utf8(root.stdout)?;
    assert!(check.contains("auto: ebpf"), "{check}");
    Ok(())
}

#[test]
fn status_tells_what_the_kernel_does() -> Result<()> {
    let world = world()?;
    let options = options("heartbeat = \"500ms\"");
    let config = Agent::prepare(&world, &options)?;
    let is = |state: &str, agent: &str| -> Result<()> {
        let told = run(&world, &["status", "--json"])?;
        let status: Value = serde_json::from_slice(&told.stdout)?;
        assert_eq!(
            (&status["state"], &status["agent"]),
            (&state.into(), &agent.into())
        );
        assert_eq!(told.status.success(), state == "steering");
        Ok(())
    };
    is("not_steering", "gone")?;
    let mut agent = Agent::start(&world, &options)?;
    is("steering", "alive")?;
    let auto = std::fs::read_to_string(&config)?.replace("\"nftables\"", "\"auto\"");
    std::fs::write(&config, auto)?;
    is("steering", "alive")?;
    agent.signal("STOP")?;
    std::thread::sleep(Duration::from_millis(1200));
    is("refusing", "hung")?;
    agent.kill()?;
    is("refusing", "gone")?;
    let told = String::from_utf8(run(&world, &["status"])?.stdout)?;
    assert!(
        told.starts_with("REFUSING") && told.contains("do: "),
        "{told}"
    );
    Ok(())
}

#[test]
fn exec_says_that_it_steers_by_ebpf_alone() -> Result<()> {
    let world = world()?;
    let config = Agent::prepare(&world, &Options::default())?;
    let ran = Command::new(interceptor_tests::agent::binary()?)
        .args(["exec", "--via", "ebpf", "--config"])
        .arg(&config)
        .args(["--", "true"])
        .output()?;
    let said = String::from_utf8(ran.stderr)?;
    assert!(
        !ran.status.success() && said.contains("eBPF alone"),
        "{said}"
    );
    Ok(())
}

#[test]
fn known_hosts_alone_need_ebpf_and_nothing_else_is_started() -> Result<()> {
    let world = world()?;
    let config = Agent::prepare(&world, &Options::default())?;
    let written = std::fs::read_to_string(&config)?;
    for (backend, reason) in [
        ("nftables", "allowed: all, with backend"),
        ("auto", "needs eBPF"),
    ] {
        let scope = format!("backend = \"{backend}\"\nscope = \"known-hosts\"");
        std::fs::write(&config, written.replace("backend = \"nftables\"", &scope))?;
        let mut run = Agent::command(&world)?;
        let ran = run.args(["run", "--config"]).arg(&config).output()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success(), "{said}");
        assert!(
            said.contains("steering.scope = \"known-hosts\"") && said.contains(reason),
            "{said}"
        );
        assert_eq!(ruleset(&world)?, "");
    }
    Ok(())
}
