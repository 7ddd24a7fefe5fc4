//! Calls that the kernel refuses by the hundred thousand: the agent serves on, and tells of them by count.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::{Agent, World};
use serde_json::Value;

use super::{assert_masked, is_ready};
use crate::audit;
use crate::known_hosts::status;
use crate::lifecycle::upgrade::under_load;

/// Asks for the agent's port until a file is there: how often.
const FLOOD: &str = "
import pathlib, socket, sys
sock, asked = socket.socket(), 0
while not pathlib.Path(sys.argv[1]).exists():
    for _ in range(1000):
        try:
            sock.bind(('127.0.0.1', 15443))
        except OSError:
            asked += 1
print(asked)
";

#[test]
fn whoever_is_refused_without_end_stops_nobody_else_and_is_counted() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let mut agent = Agent::start(&world, &audit::options(&file, ""))?;
    let bundle = agent.bundle();
    let client = world.client(&bundle);
    let begun = Instant::now();
    let asked = under_load(&world, &[(&client, FLOOD), (&client, FLOOD)], || {
        while begun.elapsed() < Duration::from_secs(4) {
            ensure!(is_ready(&agent)?);
            assert_masked(&world, &client, &agent)?;
        }
        Ok(())
    })?;
    let (asked, took) = (u64::from(asked.iter().sum::<u32>()), begun.elapsed());
    assert!(asked > 10_000, "{asked} are no flood");
    assert_eq!(status(&world)?["counters"]["refused_bind"], asked);
    // What is not told by then, its end does.
    agent.signal("TERM")?;
    agent.wait()?;
    let (audit, log) = (std::fs::read_to_string(file)?, agent.log()?);
    let parse = |text: &str| -> serde_json::Result<Vec<Value>> {
        text.lines().map(serde_json::from_str).collect()
    };
    // 50 at once, and 10 a second.
    let most = 50 + 10 * (took.as_secs() + 3);
    for (lines, reason) in [(parse(&audit)?, "refused"), (parse(&log)?, "reason")] {
        let flat = |line: &Value| line.get("fields").unwrap_or(line).clone();
        let ours = lines.iter().map(flat);
        let ours = ours.filter(|line| line[reason] == "refused_bind");
        let counts: Vec<_> = ours.map(|line| line["count"].as_u64()).collect();
        let single = counts.iter().filter(|count| count.is_none()).count() as u64;
        let others: u64 = counts.iter().flatten().sum();
        assert!((50..most).contains(&single), "{single} in {took:?}");
        assert_eq!(single + others, asked, "{counts:?}");
        assert!(counts.len() as u64 - single < 5, "{counts:?}");
    }
    Ok(())
}
