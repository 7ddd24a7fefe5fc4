//! `cargo xtask tidy`: the house rules that no compiler checks. CONTRIBUTING.md has the list with the reasons.

mod links;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::shell::Sh;

const LINES_AT_MOST: usize = 450;

/// Spelt in halves, so that this file passes its own rule.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("#[ig", "nore"),
    concat!("XX", "X:"),
];

/// eBPF files that are no hook: entry points, and what the hooks share.
const NO_HOOK: [&str; 5] = ["direct", "main", "maps", "refuse", "scope"];

/// Files beside the protocol adapters that are none: what the adapters share.
const NO_ADAPTER: [&str; 5] = ["grpc", "response", "route", "schema", "state"];

/// Reports every breach at once.
pub fn run(workspace: &Path) -> Result<()> {
    let files = files(workspace)?;
    let mut breaches = Vec::new();
    for file in &files {
        let path = file.to_string_lossy();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust(&path, &read(workspace, file)?, &mut breaches),
            Some("md") => links::check(workspace, file, &read(workspace, file)?, &mut breaches),
            _ => {}
        }
    }
    hooks_have_tests(&files, &mut breaches);
    adapters_have_fixtures(&files, &mut breaches);
    if breaches.is_empty() {
        return Ok(());
    }
    bail!("house rules broken:\n  {}", breaches.join("\n  "))
}

fn rust(path: &str, text: &str, breaches: &mut Vec<String>) {
    if !text.starts_with("//! ") {
        breaches.push(format!(
            "{path}: the first line is not a `//!` that says what the file is for"
        ));
    }
    if path.ends_with("/mod.rs") {
        breaches.push(format!(
            "{path}: use `name.rs` beside the folder, not `mod.rs`"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES_AT_MOST {
        breaches.push(format!("{path}: {lines} lines, at most {LINES_AT_MOST}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            breaches.push(format!(
                "{path}:{number}: `{word}` stands for something unfinished"
            ));
        }
    }
}

fn hooks_have_tests(files: &[PathBuf], breaches: &mut Vec<String>) {
    for hook in stems(files, "interceptor-ebpf/src").filter(|stem| !NO_HOOK.contains(stem)) {
        let test = format!("tests/e2e/{hook}.rs");
        if !files.iter().any(|file| file == Path::new(&test)) {
            breaches.push(format!(
                "interceptor-ebpf/src/{hook}.rs: a hook needs its tests in {test}"
            ));
        }
    }
}

fn adapters_have_fixtures(files: &[PathBuf], breaches: &mut Vec<String>) {
    let adapters = stems(files, "interceptor-agent/src/protocol");
    for adapter in adapters.filter(|stem| !NO_ADAPTER.contains(stem)) {
        let fixtures = format!("tests/fixtures/{adapter}");
        if !files.iter().any(|file| file.starts_with(&fixtures)) {
            breaches.push(format!(
                "interceptor-agent/src/protocol/{adapter}.rs: a protocol adapter needs fixtures in {fixtures}/"
            ));
        }
    }
}

fn stems<'a>(files: &'a [PathBuf], dir: &'a str) -> impl Iterator<Item = &'a str> {
    files
        .iter()
        .filter(move |file| file.parent() == Some(Path::new(dir)))
        .filter_map(|file| file.file_stem()?.to_str())
}

/// What git tracks or would track, relative to the workspace.
fn files(workspace: &Path) -> Result<Vec<PathBuf>> {
    let list = Sh::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace)
        .read()?;
    let mut files: Vec<_> = list
        .lines()
        .map(PathBuf::from)
        .filter(|file| workspace.join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn read(workspace: &Path, file: &Path) -> Result<String> {
    fs::read_to_string(workspace.join(file))
        .with_context(|| format!("can't read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(path: &str, text: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        rust(path, text, &mut breaches);
        breaches
    }

    #[test]
    fn a_rust_file_is_judged_by_each_rule() {
        assert_eq!(breaches("a.rs", "//! Fine.\n"), [""; 0]);
        assert_eq!(breaches("a.rs", "use x;\n").len(), 1);
        assert_eq!(breaches("a/mod.rs", "//! Named wrongly.\n").len(), 1);
        assert_eq!(
            breaches("a.rs", &format!("//! Long.\n{}", "\n".repeat(450))).len(),
            1
        );
        assert_eq!(
            breaches("a.rs", concat!("//! Unfinished.\n// FIX", "ME\n")).len(),
            1
        );
    }

    #[test]
    fn a_hook_without_tests_and_an_adapter_without_fixtures_are_named() {
        let files = [
            "interceptor-ebpf/src/main.rs",
            "interceptor-ebpf/src/bind.rs",
            "interceptor-agent/src/protocol/x.rs",
        ]
        .map(PathBuf::from);
        let mut breaches = Vec::new();
        hooks_have_tests(&files, &mut breaches);
        adapters_have_fixtures(&files, &mut breaches);
        assert_eq!(breaches.len(), 2);
        assert!(
            breaches[0].contains("tests/e2e/bind.rs") && breaches[1].contains("tests/fixtures/x/")
        );
    }
}
