//! The agent killed, hung, and back again: calls are right or refused, and nothing gets out.

use std::time::Duration;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, Client, World, canary};

const CALL: [&str; 5] = [
    "--max-time",
    "5",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

fn call(client: &Client<'_>) -> Result<Ran> {
    client.curl(CALL)
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
    let code = "
import raw, time
end, right, refused = time.time() + 4, 0, 0
while time.time() < end:
    try:
        answer = raw.exchange(raw.tls(raw.connect('v4')), raw.request('at 10.77.31.8'))
        right += 'You said: at 10.77.31.8' in answer
        refused += 'You said: at 10.77.31.8' not in answer and ' 200 OK' not in answer
        assert ' 200 OK' not in answer or 'You said: at 10.77.31.8' in answer, answer
    except OSError:
        refused += 1
        time.sleep(0.01)
print(right > 20 and refused > 0)
";
    let load = std::thread::scope(|scope| -> Result<String> {
        let load = scope.spawn(|| client.code(code));
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(800));
            agent.kill()?;
            std::thread::sleep(Duration::from_millis(200));
            agent = Agent::start(&world, &Options::default())?;
        }
        load.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    assert_eq!(load, "True\n");
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}
