//! `cargo xtask fuzz`: builds the targets in `fuzz/` with coverage, and runs them one by one. No nightly toolchain, no
//! cargo-fuzz: the flags are those that it gives, with no sanitizer, since the code is safe Rust.

mod seeds;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::env::Env;
use crate::setup;
use crate::shell::Sh;

const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4 -Cdebug-assertions -Coverflow-checks";

/// Most bytes of an input: longer ones find nothing more and take longer.
const MAX_LEN: usize = 4096;

/// One target, or all of them, for so long each; a finding fails.
pub fn run(env: &Env, target: Option<&str>, minutes: f64) -> Result<()> {
    let all = targets(env)?;
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| target.is_none_or(|target| target == *name))
        .collect();
    if chosen.is_empty() {
        bail!("there is no such target; there are {}", all.join(", "));
    }
    setup::run(env)?;
    let built = build(env)?;
    let mut found = 0;
    for name in chosen {
        found += usize::from(!fuzz(env, name, &built.join(name), minutes)?);
    }
    match found {
        0 => Ok(()),
        found => bail!("{found} targets with a finding"),
    }
}

/// Compiles the targets and runs none.
pub fn check(env: &Env) -> Result<()> {
    build(env).map(drop)
}

fn targets(env: &Env) -> Result<Vec<String>> {
    let folder = env.workspace.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))?
    {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Where the programs are.
fn build(env: &Env) -> Result<std::path::PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target = env.target().join("fuzz");
    Sh::cargo(env)
        .current_dir(&env.workspace.join("fuzz"))
        .args([
            "build",
            "--release",
            "--bins",
            "--target",
            &triple,
            "--target-dir",
        ])
        .arg(&target)
        .env("RUSTFLAGS", FLAGS)
        .run()?;
    Ok(target.join(triple).join("release"))
}

/// Whether nothing was found.
fn fuzz(env: &Env, name: &str, program: &Path, minutes: f64) -> Result<bool> {
    let folder = env.target().join("fuzz").join(name);
    let in_folder = |part: &str| -> Result<String> {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("can't make {}", part.display()))?;
        Ok(part.display().to_string())
    };
    let (corpus, seeds, artifacts) = (
        in_folder("corpus")?,
        in_folder("seeds")?,
        in_folder("artifacts")?,
    );
    seeds::write(&env.workspace, name, Path::new(&seeds), MAX_LEN)?;
    let words = folder.join("words");
    fs::write(&words, seeds::words(&env.workspace)?)?;
    eprintln!("{name}: {minutes} minutes");
    let output = Sh::new(program)
        .args([&corpus, &seeds])
        .arg(format!("-dict={}", words.display()))
        .arg(format!("-artifact_prefix={artifacts}/"))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-max_total_time={:.0}", minutes * 60.0))
        .args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=4096"])
        .output()?;
    let log = folder.join("log");
    fs::write(&log, &output.stderr).with_context(|| format!("can't write {}", log.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = |mark: &str| {
        let behind = text.rsplit_once(mark).map_or("", |(_, behind)| behind);
        behind.split_whitespace().next().unwrap_or("?").to_owned()
    };
    let ran = format!(
        "{name}: {} executions, coverage {}",
        last("stat::number_of_executed_units:"),
        last(" cov: ")
    );
    if output.status.success() {
        println!("{ran}, no finding");
        return Ok(true);
    }
    println!(
        "{ran}, FINDING: {} (log: {})",
        last("Test unit written to "),
        log.display()
    );
    Ok(false)
}
