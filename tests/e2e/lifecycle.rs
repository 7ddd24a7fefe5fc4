//! The agent killed, hung, and back again: calls are right or refused, and nothing gets out.

mod again;
mod growth;
mod reload;
mod stop;
pub mod upgrade;

use std::process::Child;
use std::time::Duration;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, Client, World, canary};

/// A call with a value in it, which takes 5 seconds at most.
pub const CALL: [&str; 5] = [
    "--max-time",
    "5",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

pub fn call(client: &Client<'_>) -> Result<Ran> {
    client.curl(CALL)
}

/// Asks for a stream of some 80 deltas 20 ms apart, with a value in the last ones; and what it is to say.
fn slow_stream(client: &Client<'_>) -> Result<(Child, String)> {
    let text = format!("{} at 10.77.31.8", "word ".repeat(80));
    let ask = serde_json::json!({
        "model": "stub-slow", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": text }],
    });
    let ask = ask.to_string();
    let options = ["--disable", "--silent", "--no-buffer", "--data"];
    let child = client.spawn("curl", options.into_iter().chain([&*ask, CALL[4]]))?;
    Ok((child, text))
}

fn is_right(ran: &Ran) -> bool {
    ran.status.success() && ran.stdout.contains("You said: at 10.77.31.8")
}

#[test]
fn killed_it_refuses_and_started_again_it_serves() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    assert!(is_right(&call(&client)?));
    for signal in ["KILL", "TERM"] {
        agent.signal(signal)?;
        agent.wait()?;
        let before = world.upstream.record().connections();
        let refused = call(&client)?;
        assert_eq!(
            refused.status.code(),
            Some(7),
            "curl could not connect: {refused:?}"
        );
        assert_eq!(world.upstream.record().connections(), before);
        agent = Agent::start(&world, &Options::default())?;
        assert!(is_right(&call(&client)?), "{}", agent.log()?);
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn hung_it_refuses_and_awake_it_serves() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(
        &world,
        &Options {
            steering: "heartbeat = \"1s\"".to_owned(),
            ..Options::default()
        },
    )?;
    let client = world.client(&agent.bundle());
    assert!(is_right(&call(&client)?));
    agent.signal("STOP")?;
    std::thread::sleep(Duration::from_millis(2500));
    let refused = call(&client)?;
    assert_eq!(
        refused.status.code(),
        Some(7),
        "curl could not connect: {refused:?}"
    );
    agent.signal("CONT")?;
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn restarted_under_load_no_call_is_wrong() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // Refused: no connection, a broken one, or an answer of the agent's own.
    let code = "
import pathlib, raw, sys, time
right, refused = 0, 0
while not pathlib.Path(sys.argv[1]).exists():
    try:
        answer = raw.exchange(raw.tls(raw.connect('v4')), raw.request('at 10.77.31.8'))
    except OSError:
        refused += 1
        time.sleep(0.01)
        continue
    if ' 200 OK' in answer and 'You said: at 10.77.31.8' in answer:
        right += 1
    else:
        assert ' 200 OK' not in answer, answer
        refused += 1
print(right, refused)
";
    let over = world.dir().join("over");
    let loads = std::thread::scope(|scope| -> Result<Vec<String>> {
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client.code_with(code, [&over])))
            .collect();
        let cycles = (|| -> Result<()> {
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(400));
                agent.kill()?;
                std::thread::sleep(Duration::from_millis(100));
                agent = Agent::start(&world, &Options::default())?;
            }
            std::thread::sleep(Duration::from_millis(400));
            Ok(())
        })();
        std::fs::write(&over, "")?;
        cycles?;
        let join = |client: std::thread::ScopedJoinHandle<'_, _>| {
            client
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        clients.into_iter().map(join).collect()
    })?;
    let mut right = 0;
    for load in loads {
        let counts: Vec<u32> = load
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
        right += counts[0];
    }
    assert!(right > 20, "{right} calls were right");
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}
