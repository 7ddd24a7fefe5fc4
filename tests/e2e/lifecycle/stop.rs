//! The end of an agent: it finishes what is open, and what it steered stays steered until `uninstall`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

use super::{call, is_right, slow_stream};

#[test]
fn told_to_stop_it_finishes_an_open_stream_and_refuses_others() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let (streaming, text) = slow_stream(&client)?;
    std::thread::sleep(Duration::from_millis(500));
    agent.signal("TERM")?;
    std::thread::sleep(Duration::from_millis(200));
    let refused = call(&client)?;
    assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    let streamed = streaming.wait_with_output()?;
    let streamed = String::from_utf8(streamed.stdout)?;
    assert!(streamed.contains("event: message_stop"), "{streamed}");
    let said: String = streamed
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok()
        })
        .filter_map(|event| Some(event["delta"]["text"].as_str()?.to_owned()))
        .collect();
    assert_eq!(said, format!("You said: {text}"));
    let ended = agent.wait()?;
    assert!(ended.success(), "{ended}: {}", agent.log()?);
    assert_eq!(call(&client)?.status.code(), Some(7));
    Ok(())
}

#[test]
fn uninstalled_it_leaves_no_trace_and_connects_go_direct() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let direct = world.client(world.upstream.ca_file());
    agent.kill()?;
    assert_eq!(call(&direct)?.status.code(), Some(7));
    let uninstall = || -> Result<String> {
        let done = Agent::command(&world)?
            .args(["uninstall", "--config"])
            .arg(world.dir().join("interceptor.toml"))
            .output()?;
        assert!(done.status.success(), "{done:?}");
        Ok(String::from_utf8(done.stdout)?)
    };
    let said = uninstall()?;
    let removed = format!("removed {} links", pins::LINKS);
    assert!(said.starts_with(&removed), "{said}");
    assert!(!pins::dir(&world).exists());
    let code = "
import raw, socket
print(raw.refused(lambda: socket.socket().bind(('127.0.0.1', 15443))))
print(raw.refused(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.11', 443))))
print(raw.refused(lambda: socket.socket(type=socket.SOCK_DGRAM).connect(('198.51.100.11', 443))))
";
    assert_eq!(direct.code(code)?, "none\nnone\nnone\n");
    let ran = call(&direct)?;
    assert!(is_right(&ran), "{ran:?}");
    let seen = world.upstream.record().last().context("nothing came")?;
    assert_eq!(seen.json()["messages"][0]["content"], "at 10.77.31.8");
    assert!(uninstall()?.starts_with("nothing was installed"));
    Ok(())
}
