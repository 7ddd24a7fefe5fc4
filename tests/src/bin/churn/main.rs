//! `cargo xtask churn`: everything at once and at random, for as long as it is told, with a verdict at the end.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use interceptor_tests::churn::{self, Plan};
use interceptor_tests::sweep;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            sweep::wait_if_stopping();
            eprintln!("churn: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let plan = plan(std::env::args().skip(1))?;
    sweep::on_signals()?;
    println!(
        "churn for {} s; the same again: --seed {}",
        plan.time.as_secs(),
        plan.seed
    );
    let report = churn::run(&plan, |line| println!("{line}"))?;
    println!("\n{report}");
    let violations = report.violations();
    if !violations.is_empty() {
        report
            .warnings()
            .for_each(|line| println!("it warned: {line}"));
        report
            .meanwhile()
            .for_each(|line| println!("meanwhile: {line}"));
    }
    for violation in &violations {
        println!("NOT AS PROMISED: {violation}");
    }
    Ok(violations.is_empty())
}

/// `--minutes N` (10), `--seed N` (the clock's), `--no-docker`.
fn plan(mut args: impl Iterator<Item = String>) -> Result<Plan> {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut plan = Plan {
        seed: clock.as_secs(),
        time: Duration::from_secs(600),
        docker: true,
    };
    while let Some(arg) = args.next() {
        let mut number = || -> Result<f64> {
            let value = args
                .next()
                .with_context(|| format!("{arg} wants a number"))?;
            let number = value
                .parse()
                .ok()
                .filter(|number| (0.0..1e12).contains(number));
            number.with_context(|| format!("{arg} wants a number, not {value:?}"))
        };
        match arg.as_str() {
            "--minutes" => plan.time = Duration::from_secs_f64(60.0 * number()?),
            "--seed" => plan.seed = number()? as u64,
            "--no-docker" => plan.docker = false,
            _ => bail!("{arg:?} is none of --minutes N, --seed N, --no-docker"),
        }
    }
    Ok(plan)
}
