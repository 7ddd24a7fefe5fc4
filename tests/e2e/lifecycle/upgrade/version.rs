//! An agent whose programs have other maps than those that are pinned: it takes over, and nothing goes direct meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use interceptor_common::SCHEMA;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary, pins};

use super::super::{call, is_right};
use super::{gone, status, under_load};

/// Connects only, as fast as it goes: to the agent or refused, and at most so many refused in a row.
const CONNECTS: &str = "
import pathlib, raw, sys, time
connects, row, most = 0, 0, 0
while not pathlib.Path(sys.argv[1]).exists():
    try:
        sock = raw.connect('v4')
    except OSError:
        row += 1
        most = max(most, row)
        time.sleep(1)
        continue
    assert sock.getsockname()[0] == '127.0.0.1', sock
    sock.close()
    connects, row = connects + 1, 0
assert most <= MOST, most
print(connects)
";

/// Has what is pinned look like another version's. The folder of that.
fn age(world: &World) -> Result<PathBuf> {
    let now = pins::dir(world).join(format!("v{SCHEMA}"));
    let older = pins::dir(world).join(format!("v{}", SCHEMA + 100));
    std::fs::rename(now, &older)?;
    Ok(older)
}

#[test]
fn started_anew_it_takes_over_without_a_gap() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let code = CONNECTS.replace("MOST", "3");
    let counts = under_load(&world, &[(&client, &code), (&client, &code)], || {
        std::thread::sleep(Duration::from_millis(300));
        agent.kill()?;
        let older = age(&world)?;
        agent = Agent::start(&world, &Options::default())?;
        ensure!(!older.exists(), "{} is left", older.display());
        std::thread::sleep(Duration::from_millis(1500));
        Ok(())
    })?;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    let told = status(&world, &world.dir().join("interceptor.toml"))?;
    assert_eq!(told["state"], "steering", "{told:#}");
    Ok(())
}

#[test]
fn as_a_successor_it_takes_over_with_one_refused_connect_at_most() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let first = agent.pid();
    let code = CONNECTS.replace("MOST", "1");
    let counts = under_load(&world, &[(&client, &code), (&client, &code)], || {
        std::thread::sleep(Duration::from_millis(300));
        let older = age(&world)?;
        agent.upgrade()?;
        ensure!(!older.exists(), "{} is left", older.display());
        std::thread::sleep(Duration::from_millis(1500));
        Ok(())
    })?;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    gone(first)?;
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    let told = status(&world, &world.dir().join("interceptor.toml"))?;
    assert_eq!(told["state"], "steering", "{told:#}");
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn beside_one_that_runs_it_does_not_start() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let older = age(&world)?;
    let ended = Agent::command(&world)?
        .args(["run", "--config"])
        .arg(world.dir().join("interceptor.toml"))
        .output()?;
    let said = String::from_utf8(ended.stderr)?;
    assert!(
        !ended.status.success() && said.contains("another agent"),
        "{said}"
    );
    assert!(older.join("links").exists());
    let client = world.client(&agent.bundle());
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    Ok(())
}
