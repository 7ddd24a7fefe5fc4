//! How long nobody serves when the agent is killed under a supervisor.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

/// What `deploy/systemd/interceptor.service` has as `RestartSec`.
const RESTART: Duration = Duration::from_millis(200);

const CALL: [&str; 5] = [
    "--max-time",
    "5",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

/// Seconds from SIGKILL to the first answer that a new client gets: the longest of so many.
pub fn measure(times: usize) -> Result<f64> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let config = world.dir().join("interceptor.toml");
    let client = world.client(&agent.bundle());
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let killed = Instant::now();
        agent.kill()?;
        thread::sleep(RESTART);
        agent = Agent::spawn(&world, &config)?;
        while !client
            .curl(CALL)?
            .stdout
            .contains("You said: at 10.77.31.8")
        {
            ensure!(
                killed.elapsed() < Duration::from_secs(20),
                "{}",
                agent.log()?
            );
        }
        longest = longest.max(killed.elapsed());
    }
    Ok(longest.as_secs_f64())
}
