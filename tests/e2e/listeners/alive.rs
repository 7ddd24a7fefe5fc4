//! Listeners while the agent is replaced, when it ends, and what the commands say of them.

use anyhow::{Context as _, Result};
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World, canary};

use super::{PROXY, call, listener, loopback};
use crate::lifecycle::upgrade::{gone, under_load};

/// Calls over a TCP listener and a Unix one until a file is there, each on a connection of its own.
const CALLS: &str = r#"
import pathlib, raw, socket, sys

def both():
    yield socket.create_connection(("127.0.0.1", 15480), 10)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(pathlib.Path(sys.argv[1]).parent / "agent.sock"))
    yield sock

calls = 0
while not pathlib.Path(sys.argv[1]).exists():
    for sock in both():
        request = raw.request("at 10.77.31.8", "localhost:15480").replace(b" /v1", b" /api.anthropic.com/v1")
        answer = raw.exchange(sock, request)
        assert " 200 OK" in answer and "You said: at 10.77.31.8" in answer, answer
        calls += 1
print(calls)
"#;

fn replaced_under_load(backend: Backend) -> Result<()> {
    let mut world = World::on(backend)?;
    world.resolves = true;
    let path = world.dir().join("agent.sock");
    let mut options = loopback("");
    options.tables += &format!("\n[[listeners]]\npath = \"{}\"", path.display());
    let mut agent = Agent::start(&world, &options)?;
    let bundle = agent.bundle();
    let client = world.client(&bundle);
    let mut old = Vec::new();
    let counts = under_load(&world, &[(&client, CALLS), (&client, CALLS)], || {
        for _ in 0..2 {
            std::thread::sleep(std::time::Duration::from_millis(700));
            old.push(agent.pid());
            agent.upgrade()?;
        }
        std::thread::sleep(std::time::Duration::from_millis(700));
        Ok(())
    });
    let counts = counts.map_err(|error| error.context(agent.log().unwrap_or_default()))?;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    let record = world.upstream.record();
    assert_eq!(record.requests().len(), counts.iter().sum::<u32>() as usize);
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    for pid in old {
        gone(pid)?;
    }
    agent.kill()?;
    let path = path.to_str().context("a path in UTF-8")?;
    for arguments in [["-x", PROXY], ["--unix-socket", path]] {
        let refused = call(&client, arguments, "https://api.anthropic.com/v1/messages")?;
        assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    }
    // What the dead one left behind is in nobody's way.
    let agent = Agent::start(&world, &options)?;
    let url = "http://localhost/api.anthropic.com/v1/messages";
    super::assert_answered(&call(&client, ["--unix-socket", path], url)?, &agent)
}

#[test]
fn replaced_without_steering_it_refuses_nobody() -> Result<()> {
    replaced_under_load(Backend::Off)
}

#[test]
fn replaced_while_it_steers_it_refuses_nobody() -> Result<()> {
    replaced_under_load(Backend::Ebpf)
}

#[test]
fn a_second_agent_leaves_the_first_its_listeners() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let path = world.dir().join("agent.sock");
    for lines in [
        "address = \"127.0.0.1:15480\"".to_owned(),
        format!("path = \"{}\"", path.display()),
    ] {
        let options = listener(&lines);
        let first = Agent::start(&world, &options)?;
        let config = Agent::prepare(&world, &options)?;
        // Its admin page is elsewhere: the listener is what they fall out about.
        let text = std::fs::read_to_string(&config)?.replace(":9901", ":9902");
        let other = world.dir().join("other.toml");
        std::fs::write(&other, text)?;
        let mut second = Agent::spawn(&world, &other)?;
        assert!(!second.wait()?.success());
        let log = first.log()?;
        assert!(log.contains("listener "), "{log}");
        drop(second);
        let client = world.client(&first.bundle());
        let url = "http://localhost:15480/api.anthropic.com/v1/messages";
        let path = path.to_str().context("a path in UTF-8")?;
        let ran = match lines.starts_with("path") {
            true => call(&client, ["--unix-socket", path], url)?,
            false => call(&client, ["-x", ""], url)?,
        };
        super::assert_answered(&ran, &first)?;
    }
    Ok(())
}

#[test]
fn check_and_status_tell_of_listeners() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let options = loopback("others = \"pass\"");
    let mut agent = Agent::start(&world, &options)?;
    let config = Agent::prepare(&world, &options)?;
    let told = |command: &str| -> Result<(Option<i32>, String)> {
        let told = Agent::command(&world)?
            .args([command, "--config"])
            .arg(&config)
            .output()?;
        Ok((told.status.code(), String::from_utf8(told.stdout)?))
    };
    let (code, text) = told("check")?;
    assert_eq!(code, Some(0), "{text}");
    for part in ["NOTHING IS STEERED", "127.0.0.1:15480 (other hosts pass; "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (code, text) = told("status")?;
    assert!(
        code == Some(0) && text.contains("answers   127.0.0.1:15480"),
        "{text}"
    );
    agent.kill()?;
    let (code, text) = told("status")?;
    assert!(code == Some(1) && text.contains("REFUSING"), "{text}");
    Ok(())
}
