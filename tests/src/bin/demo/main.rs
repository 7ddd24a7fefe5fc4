//! The demo: real clients that know nothing of the agent talk to an LLM provider, through the real kernel path.
//!
//! For each it shows what the client sent, what the provider saw and what the client got, and then what happens
//! when the agent is killed. It fails where a value got out or an answer came back wrong, and leaves nothing.

mod call;
mod paint;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary, sweep};
use serde_json::Value;

use self::call::{CALLS, Call, Outcome};
use self::paint::Paint;

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            sweep::wait_if_stopping();
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<()> {
    sweep::on_signals()?;
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let paint = Paint::detect();
    let values = ["ec2_instance", "private_ip", "email", "aws_access_key"].map(value);
    let [instance, address, email, key] = &values;
    let text = format!("Why is {instance} at {address} down? Ask {email}, key {key}.");

    println!(
        "{}",
        paint.bold(
            "Real clients that know nothing of the agent, a stub provider under the real names\n"
        )
    );
    let mut failures = Vec::new();
    for call in &CALLS {
        let outcome = steered(&world, &agent, call, &text)?;
        print_outcome(&paint, call, &text, &values, &outcome);
        failures.extend(
            outcome
                .failures(&text)
                .into_iter()
                .map(|failure| format!("{}: {failure}", call.name())),
        );
    }
    failures.extend(killed(&world, &mut agent, &paint, &text)?);

    drop(agent);
    let made = [
        world.dir().to_owned(),
        world.clients.path(),
        world.cgroup.path(),
    ];
    drop(world);
    failures.extend(
        made.iter()
            .filter(|path| path.exists())
            .map(|path| format!("{} is left", path.display())),
    );
    ensure!(failures.is_empty(), "{}", failures.join("\n      "));
    let calls = CALLS.len();
    println!(
        "{}",
        paint.good(&format!(
            "{calls} calls right, 0 values leaked, 1 call refused without the agent."
        ))
    );
    Ok(())
}

/// The same call directly, for its time, and then through the agent.
fn steered(world: &World, agent: &Agent<'_>, call: &Call, text: &str) -> Result<Outcome> {
    let direct = call.make(&world.direct_client(), text)?;
    world.upstream.record().clear();
    let known = agent.exchanges()?.len();
    let steered = call.make(&world.client(&agent.bundle()), text)?;
    let event = exchange_of(agent, known, steered.pid)?;
    let record = world.upstream.record();
    let saw = record.last().map(|seen| {
        seen.json()["messages"][0]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    Ok(Outcome {
        got: steered.got,
        saw: saw.unwrap_or_default(),
        leaks: canary::leaks(&record.everything()),
        client_pid: steered.pid,
        pid: event["pid"].as_u64().unwrap_or_default(),
        command: event["comm"].as_str().unwrap_or("?").to_owned(),
        added_ms: steered.ms - direct.ms,
    })
}

/// What the agent logged of a process; of another one, if it logs nothing of this. A call is made several times, and the
/// log is written a little behind them.
fn exchange_of(agent: &Agent<'_>, known: usize, pid: u32) -> Result<Value> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        let mut events = agent.exchanges_after(known)?;
        let found = events.iter().position(|event| event["pid"] == pid);
        if let Some(index) = found {
            return Ok(events.swap_remove(index));
        }
        if Instant::now() > deadline {
            return events.pop().context("no exchange");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn print_outcome(paint: &Paint, call: &Call, text: &str, values: &[String], outcome: &Outcome) {
    let verdict = if outcome.failures(text).is_empty() {
        paint.good("✓")
    } else {
        paint.bad("✗")
    };
    let Outcome {
        pid,
        command,
        added_ms,
        ..
    } = outcome;
    let added = format!("{added_ms:.1} ms more than directly, {}", call.scope());
    println!("{verdict} {}", paint.bold(&call.name()));
    println!("    client sent  {}", paint.values(text, values));
    println!(
        "    LLM saw      {}",
        paint.tokens(&paint.values(&outcome.saw, values))
    );
    println!("    client got   {}", paint.values(&outcome.got, values));
    println!(
        "    {}\n",
        paint.dim(&format!("by           {command}, pid {pid}; {added}"))
    );
}

/// SIGKILL leaves the programs in the kernel and nobody to answer: a call must fail, and nothing get out.
fn killed(
    world: &World,
    agent: &mut Agent<'_>,
    paint: &Paint,
    text: &str,
) -> Result<Option<String>> {
    let roots = agent.bundle();
    agent.kill()?;
    world.upstream.record().clear();
    let call = &CALLS[0];
    let said = call.curl(&world.client(&roots), text)?;
    let connections = world.upstream.record().connections();
    let refused = !said.status.success() && connections == 0;
    let verdict = if refused {
        paint.good("✓")
    } else {
        paint.bad("✗")
    };
    println!(
        "{verdict} {}",
        paint.bold("the agent is killed (SIGKILL), and the first call made again")
    );
    println!(
        "    LLM saw      {}",
        if connections == 0 {
            paint.good("nothing")
        } else {
            paint.bad("a connection")
        }
    );
    println!("    client got   {}\n", said.stderr.trim());
    Ok((!refused).then(|| "a call got through without the agent".to_owned()))
}

fn value(class: &str) -> String {
    let canary = canary::all().iter().find(|canary| canary.class == class);
    canary
        .map(|canary| canary.value.clone())
        .unwrap_or_default()
}
