//! False hits: what is found in source code that other people published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use interceptor_agent::mask::Mode;
use interceptor_agent::mask::detector::{Action, Detectors};
use interceptor_agent::mask::request::Masker;

/// Python's libraries, as the distribution installs them.
pub fn python_libraries() -> Result<Vec<PathBuf>> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_python = entry.file_name().to_str()?.starts_with("python3");
        is_python.then(|| entry.path())
    });
    let mut folders: Vec<_> = folders.collect();
    folders.sort();
    Ok(folders)
}

/// The class of addresses that its authors wrote into it: found rightly.
const AUTHORS: &str = "author_email";

/// Classes that source code alone has, and that are not looked for by default: addresses that are nobody's.
const OF_CODE: [&str; 2] = ["code_email", "code_ip"];

/// Prints what is found in every file of source code of the folders, each by itself: in the default profile, and with the
/// classes that this leaves out.
pub fn measure(folders: &[PathBuf], list: bool) -> Result<()> {
    let default = Masker::new(Detectors::builtin(), Mode::Enforce);
    let all = OF_CODE.map(|class| (class.to_owned(), Action::Mask));
    let all = Masker::new(Detectors::with_actions(&all.into())?, Mode::Enforce);
    println!(
        "{:<36}{:>9}{:>7}{:>9}{:>14}{:>14}   by class",
        "hits in source code", "MB", "hits", "a MB", "false a MB", "with of-code"
    );
    for folder in folders {
        let mut files = Vec::new();
        source_files(folder, &mut files)
            .with_context(|| format!("can't read {}", folder.display()))?;
        files.sort();
        let mut bytes = 0;
        let (mut hits, mut raw) = (Hits::default(), Hits::default());
        for file in &files {
            let text = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
            let text = String::from_utf8_lossy(&text);
            bytes += text.len();
            hits.count(&default, file, &text, list);
            raw.count(&all, file, &text, false);
        }
        let megabytes = bytes as f64 / 1e6;
        println!(
            "{:<36}{megabytes:>9.1}{:>7}{:>9.2}{:>14.2}{:>14.2}   {}",
            folder.display().to_string(),
            hits.sum(),
            hits.sum() as f64 / megabytes,
            (hits.sum() - hits.of(AUTHORS)) as f64 / megabytes,
            raw.sum() as f64 / megabytes,
            hits.by_class()
        );
    }
    Ok(())
}

/// How often each class was found.
#[derive(Default)]
struct Hits(BTreeMap<&'static str, usize>);

impl Hits {
    fn count(&mut self, masker: &Masker, file: &Path, text: &str, list: bool) {
        let mut findings = Vec::new();
        masker.findings(text, &mut findings);
        for finding in findings {
            if masker.action(finding.class).strictness() < Action::Mask.strictness() {
                continue;
            }
            let class = masker.class(finding.class).name;
            *self.0.entry(class).or_default() += 1;
            if list {
                println!(
                    "hit, {class}, {}: {:?}",
                    file.display(),
                    &text[finding.start..finding.end]
                );
            }
        }
    }

    fn sum(&self) -> usize {
        self.0.values().sum()
    }

    fn of(&self, class: &str) -> usize {
        self.0.get(class).copied().unwrap_or_default()
    }

    fn by_class(&self) -> String {
        let counts = self
            .0
            .iter()
            .map(|(class, count)| format!("{class} {count}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// Endings of the names of source files.
const ENDINGS: &[&str] = &[
    "py", "pl", "pm", "js", "ts", "go", "rs", "c", "h", "cc", "cpp", "hpp", "java", "rb", "sh",
];

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            source_files(&entry.path(), files)?;
        } else if kind.is_file()
            && let Some(ending) = entry.path().extension()
            && ENDINGS.iter().any(|known| ending == *known)
        {
            files.push(entry.path());
        }
    }
    Ok(())
}
