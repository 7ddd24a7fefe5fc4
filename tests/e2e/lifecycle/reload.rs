//! SIGHUP: a good config takes effect for what begins from there on, a bad one not at all, and no exchange fails for it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

use super::{call, is_right};

const MASKED: &str = "at PRIVATE_IP_001";
const ALLOWED: &str = "at 10.77.31.8";

fn tables(lines: &str) -> Options {
    Options {
        tables: lines.to_owned(),
        ..Options::default()
    }
}

fn allow() -> Options {
    tables("[mask.classes]\nprivate_ip = \"allow\"")
}

fn last_seen(world: &World) -> Result<String> {
    let seen = world.upstream.record().last().context("nothing came")?;
    let text = seen.json()["messages"][0]["content"]
        .as_str()
        .map(str::to_owned);
    text.context("no text")
}

#[test]
fn a_good_config_takes_effect_and_a_bad_one_changes_nothing() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let right = |text: &str| -> Result<()> {
        let ran = call(&client)?;
        assert!(is_right(&ran), "{ran:?}\n{}", agent.log()?);
        assert_eq!(last_seen(&world)?, text);
        Ok(())
    };
    right(MASKED)?;
    agent.reload(&world, &allow())?;
    right(ALLOWED)?;
    // Two errors beside what would be good.
    let bad = tables("[mask]\nunknown_path = \"pass\"\n[mask.classes]\nprivat_ip = \"mask\"");
    agent.reload(&world, &bad)?;
    right(ALLOWED)?;
    let log = agent.log()?;
    for part in [
        "was not reloaded",
        "mask.unknown_path",
        "block, report",
        "mask.classes.privat_ip",
        "did you mean `private_ip`?",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    // What the config names can't be read.
    std::fs::rename(
        world.dir().join("ca/intermediate.pem"),
        world.dir().join("away.pem"),
    )?;
    agent.reload(&world, &Options::default())?;
    right(ALLOWED)?;
    std::fs::rename(
        world.dir().join("away.pem"),
        world.dir().join("ca/intermediate.pem"),
    )?;
    agent.reload(&world, &Options::default())?;
    right(MASKED)?;
    let metrics = agent.metrics()?;
    for line in [
        "interceptor_config_reloads_total{result=\"done\"} 2",
        "interceptor_config_reloads_total{result=\"failed\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    Ok(())
}

#[test]
fn what_is_steered_is_reloaded_and_what_cant_be_is_named() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let options = Options {
        steering: "never = [\"198.51.100.50/32\"]\nlisten_port = 15444\nheartbeat = \"7s\""
            .to_owned(),
        tables: "[limits]\nconnections = 9".to_owned(),
        ..Options::default()
    };
    agent.reload(&world, &options)?;
    let log = agent.log()?;
    for key in [
        "steering.listen_port",
        "steering.heartbeat",
        "limits.connections",
    ] {
        assert!(log.contains(&format!("\"key\":\"{key}\"")), "{key}: {log}");
    }
    assert!(!log.contains("\"key\":\"steering.never\""), "{log}");
    assert!(log.contains("restart the agent"), "{log}");
    let ran = call(&client)?;
    assert!(is_right(&ran), "on the old port: {ran:?}");
    agent.kill()?;
    let steered = |address: &str| {
        client.code(&format!(
            "import raw; print(raw.refused(lambda: raw.connect('v4', '{address}')))"
        ))
    };
    assert_eq!(steered("198.51.100.50")?, "none\n");
    assert_eq!(steered("198.51.100.11")?, "ConnectionRefusedError\n");
    Ok(())
}

#[test]
fn an_open_connections_next_exchange_is_under_the_new_config() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &allow())?;
    let client = world.client(&agent.bundle());
    let code = "
import http.client, json, pathlib, sys, time
connection = http.client.HTTPSConnection('api.anthropic.com', timeout=10)
for mark in sys.argv[1:]:
    while not pathlib.Path(mark).exists():
        time.sleep(0.01)
    body = json.dumps({'model': 'stub', 'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'at 10.77.31.8'}]})
    connection.request('POST', '/v1/messages', body, {'Content-Type': 'application/json'})
    sock = connection.sock
    answer = connection.getresponse()
    assert answer.status == 200 and b'You said: at 10.77.31.8' in answer.read()
    assert connection.sock is sock
";
    let marks = ["first", "second"].map(|name| world.dir().join(name));
    std::fs::write(&marks[0], "")?;
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| client.code_with(code, &marks));
        let changed = (|| {
            agent.exchanges_after(0)?;
            assert_eq!(last_seen(&world)?, ALLOWED);
            agent.reload(&world, &Options::default())
        })();
        std::fs::write(&marks[1], "")?;
        changed?;
        ran.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    assert_eq!(last_seen(&world)?, MASKED);
    Ok(())
}

#[test]
fn reloaded_under_load_every_call_is_right_and_under_one_config() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // On one connection, or on one each.
    let code = "
import http.client, json, pathlib, sys
body = json.dumps({'model': 'stub', 'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'at 10.77.31.8, 10.77.31.8'}]})
connection, calls = http.client.HTTPSConnection('api.anthropic.com', timeout=10), 0
while not pathlib.Path(sys.argv[1]).exists():
    connection.request('POST', '/v1/messages', body, {'Content-Type': 'application/json'})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200 and 'You said: at 10.77.31.8, 10.77.31.8' in text, text
    calls += 1
    if sys.argv[2] == 'each':
        connection.close()
print(calls)
";
    let over = world.dir().join("over");
    let calls = std::thread::scope(|scope| -> Result<usize> {
        let clients: Vec<_> = ["one", "each", "one", "each"]
            .into_iter()
            .map(|kind| scope.spawn(|| client.code_with(code, [over.as_os_str(), kind.as_ref()])))
            .collect();
        let reloads = (|| -> Result<()> {
            for number in 0..9 {
                std::thread::sleep(Duration::from_millis(100));
                let options = match number % 3 {
                    0 => allow(),
                    1 => tables("[mask]\nnonsense = 1"),
                    _ => Options::default(),
                };
                agent.reload(&world, &options)?;
            }
            Ok(())
        })();
        std::fs::write(&over, "")?;
        reloads?;
        let mut calls = 0;
        for client in clients {
            let ran = client
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            calls += ran?.trim().parse::<usize>()?;
        }
        Ok(calls)
    })?;
    let seen = world.upstream.record().requests();
    assert_eq!(seen.len(), calls);
    let under = |text: &str| {
        let texts = seen
            .iter()
            .map(|seen| seen.json()["messages"][0]["content"].clone());
        texts.filter(|seen| *seen == text).count()
    };
    let (masked, allowed) = (
        under("at PRIVATE_IP_001, PRIVATE_IP_001"),
        under("at 10.77.31.8, 10.77.31.8"),
    );
    assert!(
        masked > 5 && allowed > 5,
        "{masked} masked, {allowed} allowed of {calls}"
    );
    assert_eq!(masked + allowed, calls, "never half of each");
    Ok(())
}
