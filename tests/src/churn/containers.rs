//! Containers that come, call, and go: network namespaces, and those of a Docker Engine.

use std::process::Output;
use std::thread;

use anyhow::{Result, bail};

use super::calls::{Call, Caller, Outcome};
use super::events::now;
use super::random::Random;
use crate::World;
use crate::docker::Docker;

const CALL: [&str; 5] = [
    "--max-time",
    "10",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

/// One network namespace after another, each with a client that calls from its first moment on.
pub(super) fn netns(world: &World, caller: &Caller<'_>, seed: u64) -> Result<()> {
    let mut random = Random::new(seed ^ 1);
    for turn in 0.. {
        if caller.is_over() {
            break;
        }
        let number = 101 + u8::try_from(turn % 20)?;
        let netns = world.container(number)?;
        caller.short(&netns, &format!("netns{turn}"))?;
        drop(netns);
        thread::sleep(random.millis(100, 1000));
    }
    Ok(())
}

/// What a container is made to do.
#[derive(Clone, Copy)]
enum Act {
    /// One comes, calls, and goes.
    Once,
    /// One that is there calls.
    Exec,
    /// One that is there is started again.
    Restart,
}

/// The same with Docker, one act after another.
pub(super) fn docker(docker: &Docker<'_>, caller: &Caller<'_>, seed: u64) -> Result<()> {
    let mut random = Random::new(seed ^ 2);
    docker.network("cable", "198.51.100.160/28")?;
    let container = docker.container("cable")?;
    while !caller.is_over() {
        let began = now();
        let ran = match random.choose(&[(Act::Once, 2), (Act::Exec, 3), (Act::Restart, 1)]) {
            Act::Once => docker.curl_once("cable", &CALL)?,
            Act::Exec => docker.curl(&container, &CALL)?,
            Act::Restart => {
                docker.run(["restart", "--time", "0", &container])?;
                continue;
            }
        };
        let outcome = outcome(&ran)?;
        caller.tell(Call {
            client: "docker".to_owned(),
            kind: "docker".to_owned(),
            outcome,
            began,
            ended: now(),
            detail: match outcome {
                Outcome::Right => String::new(),
                _ => format!("{ran:?}"),
            },
        })?;
        thread::sleep(match outcome {
            Outcome::Right => random.millis(200, 2000),
            _ => random.millis(1000, 1001),
        });
    }
    Ok(())
}

/// By curl's exit code (curl(1), EXIT CODES).
fn outcome(ran: &Output) -> Result<Outcome> {
    let said = String::from_utf8_lossy(&ran.stdout);
    Ok(match ran.status.code() {
        Some(0) if said.contains("You said: at 10.77.31.8") => Outcome::Right,
        Some(0) if said.contains("\"error\"") => Outcome::Own,
        Some(0) => Outcome::Wrong,
        Some(7 | 35) => Outcome::Refused,
        Some(16 | 18 | 52 | 55 | 56 | 92) => Outcome::Cut,
        Some(28) => Outcome::Stuck,
        Some(60) => Outcome::Wrong,
        _ => bail!("docker: {ran:?}"),
    })
}
