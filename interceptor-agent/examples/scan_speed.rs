//! Measures the detectors on files and folders: speed, findings of each class, findings a megabyte.
//!
//! `cargo run --release --example scan_speed -- [--list] PATH…` (`--list` shows each finding: run it on public text only).

use std::{collections::BTreeMap, env, fs, path::Path};

use anyhow::Context;

use interceptor_agent::mask::detector::Detectors;

fn main() -> anyhow::Result<()> {
    let (options, paths): (Vec<_>, Vec<_>) = env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let list = options.iter().any(|option| option == "--list");
    let mut texts = Vec::new();
    for path in &paths {
        read(Path::new(path), &mut texts)?;
    }
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let detectors = Detectors::builtin();
    let mut findings = Vec::new();
    let (mut passes, start, mut elapsed) = (0, processor_seconds()?, 0.0);
    while elapsed < 1.0 {
        for (_, text) in &texts {
            findings.clear();
            detectors.scan(text, &mut findings);
        }
        passes += 1;
        elapsed = processor_seconds()? - start;
    }
    let mut counts = BTreeMap::new();
    for (path, text) in &texts {
        findings.clear();
        detectors.scan(text, &mut findings);
        for found in &findings {
            let class = detectors.class(found.class).name;
            *counts.entry(class).or_insert(0u32) += 1;
            if list {
                let line = text[..found.start].rfind('\n').map_or(0, |at| at + 1);
                let end = text[found.end..]
                    .find('\n')
                    .map_or(text.len(), |at| found.end + at);
                let value = &text[found.start..found.end];
                println!(
                    "{class}\t{value:?}\t{path}\t{:?}",
                    text[line..end].chars().take(200).collect::<String>()
                );
            }
        }
    }
    let total: u32 = counts.values().sum();
    let megabytes = bytes as f64 / 1e6;
    for (class, count) in counts {
        println!("{count:8} {class}");
    }
    println!(
        "{} files, {megabytes:.1} MB, {total} findings, {:.2} a MB",
        texts.len(),
        f64::from(total) / megabytes
    );
    println!("{:.0} MB/s", megabytes * f64::from(passes) / elapsed);
    Ok(())
}

/// Time this thread ran, so that a busy machine does not count.
fn processor_seconds() -> anyhow::Result<f64> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = statistics
        .split(' ')
        .next()
        .context("schedstat is empty")?
        .parse()?;
    Ok(nanoseconds / 1e9)
}

fn read(path: &Path, texts: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            read(&entry?.path(), texts)?;
        }
    } else if path.is_file()
        && let Ok(text) = String::from_utf8(fs::read(path)?)
    {
        texts.push((path.display().to_string(), text));
    }
    Ok(())
}
