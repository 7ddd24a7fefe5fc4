//! What happens to the agent, as a supervisor, an operator or bad luck would have it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};

use super::random::Random;
use crate::agent::is_alive;
use crate::{Agent, World};

/// One thing that happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// SIGKILL, and a supervisor that starts it again at once.
    Kill,
    /// SIGTERM, and started again once it has ended.
    Restart,
    /// SIGUSR2: a new process goes on in its place.
    Upgrade,
    /// SIGHUP.
    Reload,
    /// Stopped for less than the kernel waits for its sign of life.
    Pause,
    /// Stopped for longer.
    Hang,
    /// The whole machine stood still, this harness included.
    Stall,
}

impl Event {
    /// How often each happens, in relation.
    pub(super) const ALL: [(Self, u64); 6] = [
        (Self::Kill, 3),
        (Self::Restart, 1),
        (Self::Upgrade, 3),
        (Self::Reload, 3),
        (Self::Pause, 2),
        (Self::Hang, 1),
    ];

    /// Those that leave the process be.
    pub(super) const CALM: [(Self, u64); 2] = [(Self::Reload, 3), (Self::Pause, 1)];

    /// Whether calls may fail meanwhile.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Kill | Self::Restart | Self::Hang | Self::Stall)
    }
}

/// An event, from its beginning until the agent served again.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    pub event: Event,
    /// Seconds of the wall clock, as clients have them.
    pub from: f64,
    pub until: f64,
}

/// How long after which the kernel takes the agent for hung; the default of `steering.heartbeat`.
const STALE_AFTER: Duration = Duration::from_secs(3);

/// Lets it happen, and waits until the agent serves again.
pub(super) fn happen<'w>(
    event: Event,
    world: &'w World,
    config: &Path,
    agent: &mut Agent<'w>,
    random: &mut Random,
) -> Result<Happened> {
    let from = now();
    match event {
        Event::Kill => {
            agent.crash()?;
            *agent = start(world, config)?;
        }
        Event::Restart => {
            agent.signal("TERM")?;
            let deadline = Instant::now() + Duration::from_secs(30);
            while is_alive(agent.pid()) {
                ensure!(Instant::now() < deadline, "SIGTERM did not end the agent");
                thread::sleep(Duration::from_millis(5));
            }
            *agent = start(world, config)?;
        }
        Event::Upgrade => agent.upgrade()?,
        Event::Reload => reload(agent)?,
        Event::Pause => stop_for(agent, random.millis(100, 1500))?,
        Event::Hang => {
            stop_for(agent, STALE_AFTER + random.millis(300, 1500))?;
            // Until its next signs of life have come.
            thread::sleep(STALE_AFTER / 3);
        }
        Event::Stall => {}
    }
    Ok(Happened {
        event,
        from,
        until: now(),
    })
}

/// Seconds of the wall clock.
pub(super) fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// Tells of every time that the machine stood still for long enough to make an agent look hung, until `over`.
pub(super) fn stalls(over: impl Fn() -> bool) -> Vec<Happened> {
    let mut found = Vec::new();
    let mut last = now();
    while !over() {
        thread::sleep(Duration::from_millis(100));
        let (from, until) = (last, now());
        if until - from > STALE_AFTER.as_secs_f64() / 2.0 {
            found.push(Happened {
                event: Event::Stall,
                from,
                until,
            });
        }
        last = until;
    }
    found
}

fn start<'w>(world: &'w World, config: &Path) -> Result<Agent<'w>> {
    let agent = Agent::spawn(world, config)?;
    agent.wait_until_ready()?;
    Ok(agent)
}

fn reload(agent: &Agent<'_>) -> Result<()> {
    let reloads = || -> Result<usize> { Ok(agent.log()?.matches("\"config reloaded\"").count()) };
    let before = reloads()?;
    agent.signal("HUP")?;
    let deadline = Instant::now() + Duration::from_secs(15);
    while reloads()? == before {
        ensure!(Instant::now() < deadline, "no reload:\n{}", tail(agent));
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn stop_for(agent: &Agent<'_>, time: Duration) -> Result<()> {
    agent.signal("STOP")?;
    thread::sleep(time);
    agent.signal("CONT")
}

/// The end of its log, but for exchanges.
pub(super) fn tail(agent: &Agent<'_>) -> String {
    let log = agent.log().unwrap_or_default();
    let lines = log.lines().filter(|line| !line.contains("\"exchange\""));
    let mut last: Vec<_> = lines.rev().take(10).collect();
    last.reverse();
    last.join("\n")
}

/// Empties its log, which would grow for as long as all this lasts: what was in it.
pub(super) fn take_log(world: &World, agent: &Agent<'_>) -> Result<String> {
    let log = agent.log()?;
    fs::File::options()
        .write(true)
        .open(world.dir().join("agent.log"))?
        .set_len(0)?;
    Ok(log)
}
