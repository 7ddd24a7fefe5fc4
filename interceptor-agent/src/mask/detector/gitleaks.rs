//! Rule files in gitleaks' format (<https://github.com/gitleaks/gitleaks#configuration>), read as they are.

use serde::Deserialize;

use super::{
    Action, Class,
    rules::{Custom, Except, Pattern, Target, intern},
};

/// Rules of a file, and what of it is not used.
#[derive(Debug)]
pub struct Loaded {
    /// Ready to use.
    pub rules: Vec<Custom>,
    /// One line each.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rules: Vec<Rule>,
    allowlist: Option<Allowlist>,
    #[serde(default)]
    allowlists: Vec<Allowlist>,
    extend: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    regex: Option<String>,
    secret_group: Option<usize>,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    keywords: Vec<String>,
    path: Option<String>,
    allowlist: Option<Allowlist>,
    #[serde(default)]
    allowlists: Vec<Allowlist>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Allowlist {
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    commits: Vec<String>,
    regex_target: Option<String>,
    condition: Option<String>,
}

/// Reads a file's text. Classes are named `rule_` and the rule's id, labels `SECRET_` and the id.
///
/// # Errors
/// What is wrong with it, in words for whoever wrote it.
pub fn read(name: &str, text: &str) -> Result<Loaded, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let mut notes = Vec::new();
    if file.extend.is_some() {
        notes.push(format!(
            "{name}: [extend] is not followed; name the other file in mask.rules too"
        ));
    }
    let everywhere: Vec<_> = file.allowlist.iter().chain(&file.allowlists).collect();
    let mut rules = Vec::new();
    for rule in &file.rules {
        let Some(regex) = &rule.regex else {
            notes.push(format!(
                "{name}: the rule {} looks at paths alone, and is not used",
                rule.id
            ));
            continue;
        };
        if rule.path.is_some() {
            notes.push(format!(
                "{name}: the path of the rule {} is ignored: texts have none",
                rule.id
            ));
        }
        let wrong = |error: regex::Error| format!("the rule {}: {error}", rule.id);
        let pattern = Pattern::ascii(regex).map_err(wrong)?;
        if rule
            .secret_group
            .is_some_and(|group| group >= pattern.0.captures_len())
        {
            return Err(format!(
                "the rule {}: its regex has no group {}",
                rule.id,
                rule.secret_group.unwrap_or(0)
            ));
        }
        let lists = rule
            .allowlist
            .iter()
            .chain(&rule.allowlists)
            .chain(everywhere.iter().copied());
        let except: Result<Vec<_>, _> = lists.filter_map(except).collect();
        let words: String = rule
            .id
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        rules.push(Custom {
            class: Class {
                name: intern(&format!("rule_{}", words.to_ascii_lowercase())),
                label: intern(&label(&words)),
                action: Action::Mask,
            },
            source: name.to_owned(),
            pattern,
            group: rule.secret_group.filter(|group| *group > 0),
            keywords: rule
                .keywords
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            entropy: (rule.entropy.clamp(0.0, 8.0) * 1000.0) as u16,
            confidence: 800,
            except: except.map_err(wrong)?,
        });
    }
    Ok(Loaded { rules, notes })
}

/// What tokens of a rule start with: no part is empty, and the last is no number, which would read as a token's.
fn label(id: &str) -> String {
    let parts = id.split('_').filter(|part| !part.is_empty());
    let mut label = parts.fold("SECRET".to_owned(), |label, part| {
        label + "_" + &part.to_ascii_uppercase()
    });
    if label.ends_with(|last: char| last.is_ascii_digit()) {
        label.push('K');
    }
    label
}

/// None for a list that depends on where a text was committed: it can't be known to hold.
fn except(list: &Allowlist) -> Option<Result<Except, regex::Error>> {
    let both = list
        .condition
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("and"));
    if both && !(list.paths.is_empty() && list.commits.is_empty()) {
        return None;
    }
    let patterns: Result<Vec<_>, _> = list
        .regexes
        .iter()
        .map(|regex| Pattern::ascii(regex))
        .collect();
    let both = both && !list.regexes.is_empty() && !list.stopwords.is_empty();
    Some(patterns.map(|patterns| {
        Except {
            target: match list.regex_target.as_deref() {
                Some("match") => Target::Match,
                Some("line") => Target::Line,
                _ => Target::Value,
            },
            patterns,
            words: list
                .stopwords
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            both,
        }
    }))
}
