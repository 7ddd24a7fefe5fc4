//! False hits: what is found in source code that other people published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use interceptor_agent::mask::detector::Action;
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

/// Prints what is found in every Python file of the folders, each by itself.
pub fn measure(masker: &Masker, folders: &[PathBuf], list: bool) -> Result<()> {
    println!(
        "{:<36}{:>9}{:>7}{:>9}   by class",
        "false hits in source code", "MB", "hits", "a MB"
    );
    for folder in folders {
        let mut files = Vec::new();
        python_files(folder, &mut files)
            .with_context(|| format!("can't read {}", folder.display()))?;
        files.sort();
        let (mut bytes, mut hits) = (0, BTreeMap::<_, usize>::new());
        for file in &files {
            let text = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
            let text = String::from_utf8_lossy(&text);
            bytes += text.len();
            let mut findings = Vec::new();
            masker.findings(&text, &mut findings);
            for finding in findings {
                if masker.action(finding.class).strictness() < Action::Mask.strictness() {
                    continue;
                }
                let class = masker.class(finding.class).name;
                *hits.entry(class).or_default() += 1;
                if list {
                    println!(
                        "false hit, {class}, {}: {:?}",
                        file.display(),
                        &text[finding.start..finding.end]
                    );
                }
            }
        }
        let (megabytes, sum) = (bytes as f64 / 1e6, hits.values().sum::<usize>());
        let by_class: Vec<_> = hits
            .iter()
            .map(|(class, count)| format!("{class} {count}"))
            .collect();
        println!(
            "{:<36}{megabytes:>9.1}{sum:>7}{:>9.2}   {}",
            folder.display().to_string(),
            sum as f64 / megabytes,
            by_class.join(", ")
        );
    }
    Ok(())
}

fn python_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            python_files(&entry.path(), files)?;
        } else if kind.is_file()
            && entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "py")
        {
            files.push(entry.path());
        }
    }
    Ok(())
}
