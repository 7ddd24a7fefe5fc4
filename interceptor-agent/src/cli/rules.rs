//! `interceptor rules`: what is looked for, and what of it fires where.

use std::{
    fs,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use serde_json::json;

use crate::{
    config::Config,
    mask::detector::{Action, Detectors},
};

/// Arguments of `interceptor rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every class: its action, its token's label, and where it comes from
    List(List),
    /// Print which class is found at which line and column of a text; the values only if asked for
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The config whose detectors and actions count; the built-in ones without it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Test {
    /// The text; `-` is standard input
    file: PathBuf,
    /// The config whose detectors and actions count; the built-in ones without it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Print the values that are found
    #[arg(long)]
    show_values: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let output = BufWriter::new(io::stdout().lock());
        let written = match self.command {
            Command::List(list) => {
                let config = load(list.config.as_deref())?;
                let detectors = detectors(&config)?;
                listing(&config, &detectors, list.json, output)
            }
            Command::Test(test) => {
                let config = load(test.config.as_deref())?;
                let text = text(&test.file)?;
                let detectors = detectors(&config)?;
                findings(&detectors, &text, test.json, test.show_values, output)
            }
        };
        match written {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            result => Ok(result.map(|()| ExitCode::SUCCESS)?),
        }
    }
}

fn load(config: Option<&Path>) -> anyhow::Result<Config> {
    Ok(config.map_or_else(|| Ok(Config::default()), Config::load)?)
}

fn detectors(config: &Config) -> anyhow::Result<Detectors> {
    Ok(Detectors::new(&config.mask.classes, &config.mask.rules)?)
}

fn text(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => io::stdin().lock().read_to_end(&mut bytes),
        false => fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.with_context(|| format!("can't read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn listing(
    config: &Config,
    detectors: &Detectors,
    json: bool,
    mut output: impl Write,
) -> io::Result<()> {
    for (id, class) in detectors.classes() {
        let mut own = config.mask.rules.custom.iter();
        let own = own.find(|rule| rule.class.name == class.name);
        let source = own.map_or("built in", |rule| rule.source.as_str());
        let action = word(detectors.action(id));
        match json {
            true => writeln!(
                output,
                "{}",
                json!({"class": class.name, "label": class.label, "action": action, "source": source})
            )?,
            false => writeln!(
                output,
                "{:<32} {:<8} {:<24} {source}",
                class.name, action, class.label
            )?,
        }
    }
    for note in &config.mask.rules.notes {
        eprintln!("note: {note}");
    }
    output.flush()
}

fn findings(
    detectors: &Detectors,
    text: &str,
    json: bool,
    show_values: bool,
    mut output: impl Write,
) -> io::Result<()> {
    let mut findings = Vec::new();
    detectors.scan(text, &mut findings);
    for found in findings {
        let class = detectors.class(found.class);
        let before = &text[..found.start];
        let line = 1 + before.matches('\n').count();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = 1 + before[line_start..].chars().count();
        let value = show_values.then(|| &text[found.start..found.end]);
        let length = found.end - found.start;
        let action = word(detectors.action(found.class));
        if json {
            let mut entry = json!({
                "class": class.name, "action": action, "line": line, "column": column,
                "bytes": length, "confidence": found.confidence,
            });
            if let Some(value) = value {
                entry["value"] = value.into();
            }
            writeln!(output, "{entry}")?;
            continue;
        }
        write!(
            output,
            "{line}:{column} {} {action} {length} bytes, confidence {:.2}",
            class.name, found.confidence
        )?;
        match value {
            Some(value) => writeln!(output, ": {value:?}")?,
            None => writeln!(output)?,
        }
    }
    output.flush()
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Mask => "mask",
        Action::Block => "block",
        Action::Report => "report",
        Action::Allow => "allow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
version = 1
[[detectors]]
name = "employee_id"
label = "EMPLOYEE"
pattern = 'EMP-\d{6}'
keywords = ["emp-"]
action = "block"
"#;

    fn run(write: impl FnOnce(&Config, &Detectors, &mut Vec<u8>) -> io::Result<()>) -> String {
        let config = Config::parse(CONFIG).unwrap();
        let detectors = detectors(&config).unwrap();
        let mut output = Vec::new();
        write(&config, &detectors, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn every_class_is_listed_with_its_source() {
        let text = run(|config, detectors, output| listing(config, detectors, false, output));
        let own = text.lines().find(|line| line.starts_with("employee_id"));
        assert!(own.unwrap().ends_with("[[detectors]]"), "{own:?}");
        let json = run(|config, detectors, output| listing(config, detectors, true, output));
        let email = json
            .lines()
            .find(|line| line.contains("\"email\""))
            .unwrap();
        let email: serde_json::Value = serde_json::from_str(email).unwrap();
        assert_eq!(
            email,
            json!({"class": "email", "label": "EMAIL", "action": "mask", "source": "built in"})
        );
        assert_eq!(json.lines().count(), text.lines().count());
    }

    #[test]
    fn findings_have_a_place_and_no_value_unless_asked_for() {
        let text = "é vpc-0a1b2c3d\n  EMP-123456";
        let plain = run(|_, detectors, output| findings(detectors, text, false, false, output));
        assert_eq!(
            plain,
            "1:3 vpc mask 12 bytes, confidence 0.98\n2:3 employee_id block 10 bytes, confidence 0.90\n"
        );
        let shown = run(|_, detectors, output| findings(detectors, text, true, true, output));
        let last: serde_json::Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["value"], &last["line"]),
            (&"EMP-123456".into(), &2.into())
        );
    }
}
