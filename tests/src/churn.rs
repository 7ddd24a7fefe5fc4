//! Everything at once and at random: calls of every kind, containers that come and go, an agent that is killed, stopped,
//! replaced and reloaded. Nothing may get out, hang, or be left.

mod calls;
mod containers;
mod events;
mod random;
mod verdict;
mod watch;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

pub use self::events::Event;
pub use self::verdict::Report;

use self::calls::Caller;
use self::random::Random;
use self::watch::Watch;
use crate::agent::Options;
use crate::{Agent, Docker, World, pins};

/// How long, and by which dice.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides what happens when. What the machine makes of it differs from run to run.
    pub seed: u64,
    /// All of it but the end, when what is open is finished.
    pub time: Duration,
    /// Containers of a real Docker Engine too.
    pub docker: bool,
}

/// The part of the time, at the end, in which the agent's process stays the same: what grows, grows there.
const CALM: u32 = 5;

/// Runs it. `tell` hears now and then how it goes.
///
/// # Errors
/// The harness failed. What the agent did wrong is in the report.
pub fn run(plan: &Plan, tell: impl Fn(&str)) -> Result<Report> {
    let world = World::on(crate::Backend::Ebpf)?;
    let config = Agent::prepare(&world, &Options::default())?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let docker = match plan.docker {
        true => Some(Docker::start(&world)?),
        false => None,
    };
    let (told, calls) = mpsc::channel();
    let caller = Caller::new(&world, agent.bundle(), told);
    let begun = Instant::now();
    let calm_from = begun + plan.time - plan.time / CALM;

    let mut report = Report::new(plan.seed);
    let mut watch = Watch::default();
    let driven = thread::scope(|scope| -> Result<()> {
        let lasting = scope.spawn(|| caller.lasting());
        let passing_by = scope.spawn(|| containers::netns(&world, &caller, plan.seed));
        let stalls = scope.spawn(|| events::stalls(|| caller.is_over()));
        let engine = docker
            .as_ref()
            .map(|docker| scope.spawn(|| containers::docker(docker, &caller, plan.seed)));
        let mut random = Random::new(plan.seed);
        let driven = (|| -> Result<()> {
            let mut next_line = Duration::from_secs(10);
            while begun.elapsed() < plan.time {
                watch.during(&agent, random.millis(300, 2500))?;
                let kinds = match Instant::now() < calm_from {
                    true => Event::ALL.as_slice(),
                    false => {
                        watch.calm(&agent)?;
                        Event::CALM.as_slice()
                    }
                };
                let event = random.choose(kinds);
                report.happened(events::happen(
                    event,
                    &world,
                    &config,
                    &mut agent,
                    &mut random,
                )?);
                report.calls(calls.try_iter());
                report.seen(&world, &events::take_log(&world, &agent)?);
                if begun.elapsed() > next_line {
                    next_line = begun.elapsed() + Duration::from_secs(10);
                    tell(&report.line(begun.elapsed(), plan.time));
                }
            }
            watch.calm(&agent)
        })();
        caller.end()?;
        let joined = [Some(lasting), Some(passing_by), engine];
        for thread in joined.into_iter().flatten() {
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        let stalls = stalls.join();
        let stalls = stalls.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        stalls.into_iter().for_each(|stall| report.happened(stall));
        driven
    });
    driven.map_err(|error| error.context(events::tail(&agent)))?;
    report.calls(calls.try_iter());
    drop(docker);
    let memory = watch.end(&world, &agent)?;
    report.seen(&world, &events::take_log(&world, &agent)?);
    report.left(memory, pins::pending_at_last(&world)?);
    Ok(report)
}
