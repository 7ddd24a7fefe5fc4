//! The bench: what it costs to have the agent in the way, against nothing and against HAProxy, all in one run.
//!
//! `bench [--quick] [--json]`, or of these `bench engine`, `bench connects` or `bench passing` alone, or `bench detection`. It
//! reports and judges nothing: numbers of a busy machine fail no build.

mod bare;
mod bed;
mod certs;
mod connects;
mod detection;
mod engine;
mod haproxy;
mod load;
mod passing;
mod provider;
mod report;
mod revival;
mod rounds;
mod texts;
mod worker;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use interceptor_tests::{World, sweep};

use self::bed::Bed;
use self::report::Results;

/// The argument that asks for the mask engine alone, for which there is nothing to set up.
const ENGINE: &str = "engine";

/// How much is measured.
struct Effort {
    rounds: usize,
    /// Each way of each case in each round.
    millis: u64,
    /// Blocks of connects.
    blocks: usize,
    /// Bytes of each download.
    download: u64,
    /// Idle connections.
    idle: usize,
}

const FULL: Effort = Effort {
    rounds: 7,
    millis: 1000,
    blocks: 100,
    download: 1 << 30,
    idle: 10_000,
};

const QUICK: Effort = Effort {
    rounds: 3,
    millis: 250,
    blocks: 30,
    download: 256 << 20,
    idle: 10_000,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            sweep::wait_if_stopping();
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok()
        .context("TLS is set up twice")?;
    let (mut json, mut effort) = (false, FULL);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            bare::BARE => return bare::run(arguments),
            load::WORKER => return worker::run(),
            detection::DETECTION => return detection::run(arguments),
            ENGINE => {
                print!(
                    "{}",
                    report::engine(&engine::measure(FULL.rounds)?, &engine::turns(FULL.rounds)?)
                );
                return Ok(());
            }
            connects::CONNECTS => {
                let measured = alone(|bed, world| {
                    let costs = connects::measure(bed, &world.clients, FULL.blocks)?;
                    Ok(report::connects(&costs))
                });
                print!("{}", measured?);
                return Ok(());
            }
            passing::PASSING => {
                let measured = alone(|bed, _| {
                    let measured = passing::measure(bed, FULL.rounds, FULL.millis, FULL.download)?;
                    Ok(report::passing(&measured))
                });
                print!("{}", measured?);
                return Ok(());
            }
            "--json" => json = true,
            "--quick" => effort = QUICK,
            other => {
                bail!(
                    "{other}: there are only --quick, --json, engine, connects, passing and detection"
                )
            }
        }
    }
    let results = measure(&effort)?;
    if json {
        println!("{:#}", results.json());
    } else {
        print!("{}", results.text());
    }
    Ok(())
}

/// One measurement alone: what it says.
fn alone(measure: impl FnOnce(&mut Bed<'_>, &World) -> Result<String>) -> Result<String> {
    sweep::on_signals()?;
    let worlds = [World::new()?, World::new()?];
    let mut bed = Bed::start(&worlds)?;
    measure(&mut bed, &worlds[0])
}

fn measure(effort: &Effort) -> Result<Results> {
    let tell = |what: &str| eprintln!("bench: {what}");
    sweep::on_signals()?;
    let idle_connections = passing::idle_connections(effort.idle)?;
    tell("mask engine");
    let engine = engine::measure(effort.rounds)?;
    let turns = engine::turns(effort.rounds)?;
    tell("killed and started again");
    let revival = revival::measure(effort.rounds)?;
    let worlds = [World::new()?, World::new()?];
    let mut bed = Bed::start(&worlds)?;
    let idle = bed.memory("VmRSS")?;
    tell("connections that pass, idle");
    let each = passing::memory_of_each(&mut bed, &worlds[0], idle_connections)?;
    tell("connects");
    let connects = connects::measure(&mut bed, &worlds[0].clients, effort.blocks)?;
    tell("connections that pass");
    let passing = passing::measure(&mut bed, effort.rounds, effort.millis, effort.download)?;
    let cases = rounds::measure(&mut bed, effort.rounds, effort.millis, tell)?;
    Ok(Results {
        cases,
        engine,
        turns,
        connects,
        passing,
        idle_connections,
        each,
        revival,
        idle,
        peak: bed.memory("VmHWM")?,
    })
}
