//! What befalls an agent from outside: another one at the same moment, a cgroup that is removed, pins that are, no network
//! yet, no memory left.

mod flood;
mod memory;
mod together;
mod widened;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_common::SCHEMA;
use interceptor_tests::agent::{ADMIN, Options};
use interceptor_tests::{Agent, Client, World, canary, pins};

use crate::lifecycle::{CALL, call};

/// Answered, and masked on its way.
fn assert_masked(world: &World, client: &Client<'_>, agent: &Agent<'_>) -> Result<()> {
    let ran = call(client)?;
    ensure!(
        ran.stdout.contains("You said: at 10.77.31.8"),
        "{ran:?}\n{}",
        agent.log()?
    );
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

/// Whether the agent says by itself that it is ready.
fn is_ready(agent: &Agent<'_>) -> Result<bool> {
    Ok(agent.admin("/ready")?.0 == 200)
}

fn within(time: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + time;
    while !done()? {
        ensure!(Instant::now() < deadline, "not within {time:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn a_cgroup_that_was_removed_is_steered_again_once_it_is_made_anew() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    assert_masked(&world, &client, &agent)?;
    std::fs::remove_dir(world.cgroup.path())?;
    assert!(agent.logs("not everything is steered")?, "{}", agent.log()?);
    assert!(!is_ready(&agent)?);
    std::fs::create_dir(world.cgroup.path())?;
    // A connection that is made before the agent has noticed is ended when it does.
    let code = "
import raw, socket
early = raw.connect('v4')
assert early.getsockname()[0] != '127.0.0.1', early
try:
    print(early.recv(1))
except ConnectionError as error:
    print(type(error).__name__)
";
    assert_eq!(client.code(code)?, "ConnectionAbortedError\n");
    within(Duration::from_secs(3), || is_ready(&agent))?;
    assert!(agent.log()?.contains("and are again"), "{}", agent.log()?);
    assert_masked(&world, &client, &agent)
}

#[test]
fn a_pin_that_was_removed_is_put_back() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let links = pins::dir(&world).join(format!("v{SCHEMA}/links"));
    for pin in ["steer4", "guard6"] {
        std::fs::remove_file(links.join(pin))?;
    }
    within(Duration::from_secs(5), || {
        Ok(std::fs::read_dir(&links)?.count() == pins::LINKS)
    })?;
    assert_masked(&world, &client, &agent)
}

#[test]
fn uninstalled_while_it_runs_it_steers_nothing_until_it_is_started_anew() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let uninstalled = Agent::command(&world)?
        .args(["uninstall", "--config"])
        .arg(world.dir().join("interceptor.toml"))
        .output()?;
    ensure!(uninstalled.status.success(), "{uninstalled:?}");
    within(Duration::from_secs(3), || Ok(!is_ready(&agent)?))?;
    assert!(
        agent.logs("`interceptor uninstall` ran")?,
        "{}",
        agent.log()?
    );
    // Two more looks later it has not come back.
    std::thread::sleep(Duration::from_millis(2500));
    let code = "import raw; print(raw.connect('v4').getsockname()[0])";
    assert_eq!(client.code(code)?, "198.51.100.2\n");
    assert!(!pins::dir(&world).exists());
    agent.kill()?;
    let agent = Agent::start(&world, &Options::default())?;
    assert_masked(&world, &client, &agent)
}

#[test]
fn started_before_the_network_it_lets_nothing_go_direct() -> Result<()> {
    let world = World::new()?;
    let loopback = |state: &str| -> Result<()> {
        let done = Command::new("ip")
            .args(["-n", world.clients.name(), "link", "set", "lo", state])
            .status()?;
        ensure!(done.success());
        Ok(())
    };
    // As after a reboot: a fresh BPF file system, and no loopback yet. The provider is there sooner than it could ever be.
    loopback("down")?;
    let config = Agent::prepare(&world, &Options::default())?;
    let agent = Agent::spawn(&world, &config)?;
    ensure!(agent.logs("\"steering\"")?, "{}", agent.log()?);
    let client = world.client(&agent.bundle());
    for family in ["--ipv4", "--ipv6"] {
        // There is no way to the agent yet: it fails at once, or waits for one in vain.
        let ran = client.curl([CALL.as_slice(), &[family, "--max-time", "2"]].concat())?;
        assert!(matches!(ran.status.code(), Some(7 | 28)), "{ran:?}");
    }
    assert_eq!(world.upstream.record().connections(), 0);
    loopback("up")?;
    agent.wait_until_ready()?;
    for family in ["--ipv4", "--ipv6"] {
        let ran = client.curl([&[family], CALL.as_slice()].concat())?;
        assert!(ran.stdout.contains("You said: at 10.77.31.8"), "{ran:?}");
    }
    assert_masked(&world, &client, &agent)
}

#[test]
fn out_of_descriptors_it_waits_for_some_without_spinning() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let limit = |descriptors: &str| -> Result<()> {
        let set = Command::new("prlimit")
            .args(["--pid", &agent.pid().to_string()])
            .arg(format!("--nofile={descriptors}:"))
            .status()?;
        ensure!(set.success());
        Ok(())
    };
    // All that it has are above.
    limit("3")?;
    let before = processor_time(&agent)?;
    let waiting = world
        .clients
        .run(|| std::net::TcpStream::connect(ADMIN))??;
    std::thread::sleep(Duration::from_secs(1));
    let spent = processor_time(&agent)? - before;
    limit("1024")?;
    assert!(spent < 15, "{spent} hundredths of a second");
    drop(waiting);
    within(Duration::from_secs(3), || is_ready(&agent))
}

/// In hundredths of a second (proc(5), fields 14 and 15 of stat).
fn processor_time(agent: &Agent<'_>) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid()))?;
    let (_, fields) = stat.rsplit_once(") ").context("no name")?;
    let spent = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(spent.sum::<Result<u64, _>>()?)
}
