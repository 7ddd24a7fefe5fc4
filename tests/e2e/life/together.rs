//! Two agents that are started at the same moment: one serves, the other says why it doesn't, and nothing suffers.

use std::fs::File;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_common::SCHEMA;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

use super::{call, canary, within};

/// One of two, with a log of its own.
fn start(world: &World, name: &str, config: &str) -> Result<Child> {
    let path = world.dir().join(format!("{name}.toml"));
    std::fs::write(&path, config)?;
    let log = File::create(world.dir().join(format!("{name}.log")))?;
    let child = Agent::command(world)?
        .args(["run", "--config"])
        .arg(&path)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

/// Starts both; which of them ended, once one has.
fn race(world: &World, configs: [&str; 2]) -> Result<(usize, [Child; 2])> {
    let mut both = [
        start(world, "first", configs[0])?,
        start(world, "second", configs[1])?,
    ];
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for number in 0..2 {
            if both[number].try_wait()?.is_some() {
                return Ok((number, both));
            }
        }
        ensure!(Instant::now() < deadline, "both run");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log(world: &World, number: usize) -> Result<String> {
    let name = ["first.log", "second.log"][number];
    Ok(std::fs::read_to_string(world.dir().join(name))?)
}

#[test]
fn one_serves_and_the_other_says_why_not() -> Result<()> {
    let world = World::new()?;
    let config = std::fs::read_to_string(Agent::prepare(&world, &Options::default())?)?;
    let client = world.client(&world.dir().join("ca/bundle.pem"));
    let other_admin = config.replace(":9901", ":9902");
    let other_pins = other_admin.replace("/bpf/interceptor", "/bpf/rival");
    for (rival, said) in [
        (&config, "another agent"),
        (&other_admin, "another agent"),
        (&other_pins, "listen_port"),
        (&other_pins, "listen_port"),
    ] {
        let (loser, mut both) = race(&world, [&config, rival])?;
        let winner = 1 - loser;
        let outcome = (|| -> Result<()> {
            ensure!(both[loser].wait()?.code() == Some(1));
            let complaint = log(&world, loser)?;
            ensure!(complaint.contains(said), "{complaint}");
            // Whoever won, its pins are whole. Before that, nothing is steered yet.
            let mine = match winner == 1 && rival == &other_pins {
                true => "rival",
                false => "interceptor",
            };
            let links = pins::dir(&world).with_file_name(mine);
            let links = links.join(format!("v{SCHEMA}/links"));
            within(Duration::from_secs(10), || {
                Ok(std::fs::read_dir(&links).map_or(0, Iterator::count) == pins::LINKS)
            })?;
            within(Duration::from_secs(10), || {
                Ok(call(&client)?.stdout.contains("You said: at 10.77.31.8"))
            })?;
            ensure!(
                both[winner].try_wait()?.is_none(),
                "{}",
                log(&world, winner)?
            );
            Ok(())
        })();
        both[winner].kill()?;
        both[winner].wait()?;
        outcome?;
        // The next two begin anew.
        for folder in ["interceptor", "rival"] {
            let folder = pins::dir(&world).with_file_name(folder);
            if folder.exists() {
                std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
            }
        }
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}
