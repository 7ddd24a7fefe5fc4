//! `[[detectors]]` and what of `[mask]` decides how values are found: profiles, rule files, exceptions, confidence.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::de::DeValue;

use super::read::ACTIONS;
use super::section::{Bad, Section};
use super::values::{choice, path, text};
use crate::mask::detector::rules::{Allowed, Custom, Pattern, Rules, intern};
use crate::mask::detector::{Action, Class, Profile, gitleaks};

const PROFILES: &[(&str, Profile)] = &[
    ("au", Profile::Au),
    ("eu", Profile::Eu),
    ("in", Profile::In),
    ("jp", Profile::Jp),
    ("kr", Profile::Kr),
    ("sg", Profile::Sg),
    ("uk", Profile::Uk),
    ("us", Profile::Us),
];

/// Most detectors of the operator's own, those of rule files among them.
const MOST: usize = 2000;

/// `[[detectors]]`, which come before `[mask]` so that it can name their classes.
pub(super) fn detectors(root: &mut Section<'_>, classes: &[&str]) -> Vec<Custom> {
    let mut own: Vec<Custom> = Vec::new();
    root.sections("detectors", |section| {
        let name = section.required("name", class_name);
        let label = section.required("label", label);
        let pattern = section.required("pattern", pattern);
        let keywords = section.list("keywords", text).unwrap_or_default();
        let entropy = section.get("entropy", thousandths(8.0)).unwrap_or(0);
        let confidence = section.get("confidence", thousandths(1.0));
        let action = section.get("action", choice(ACTIONS));
        let (Some(name), Some(label), Some(pattern)) = (name, label, pattern) else {
            return;
        };
        if classes.contains(&name.as_str()) || own.iter().any(|rule| rule.class.name == name) {
            section.reject(
                "name",
                Bad::new("a name that no other class has", "choose another name"),
            );
            return;
        }
        own.push(Custom {
            class: Class {
                name: intern(&name),
                label: intern(&label),
                action: action.unwrap_or(Action::Mask),
            },
            source: "[[detectors]]".to_owned(),
            pattern,
            group: None,
            keywords: keywords
                .iter()
                .map(|word| word.to_ascii_lowercase())
                .collect(),
            entropy,
            confidence: confidence.unwrap_or(900),
            except: Vec::new(),
        });
    });
    own
}

/// The keys of `[mask]` about finding; `own` are the operator's detectors, `analyzed` what an analyzer finds. With the names of all classes.
pub(super) fn rules<'c>(
    section: &mut Section<'_>,
    own: Vec<Custom>,
    analyzed: Vec<Class>,
    classes: &[&'c str],
) -> (Arc<Rules>, Vec<&'c str>) {
    let mut rules = Rules {
        profiles: section
            .list("profiles", choice(PROFILES))
            .unwrap_or_default(),
        confidence: section.get("min_confidence", thousandths(1.0)).unwrap_or(0),
        custom: own,
        analyzed,
        ..Rules::default()
    };
    for loaded in section.list("rules", rule_file).unwrap_or_default() {
        rules.notes.extend(loaded.notes);
        for rule in loaded.rules {
            match rules
                .custom
                .iter()
                .any(|known| known.class.name == rule.class.name)
            {
                true => rules.notes.push(format!(
                    "{}: {} is there twice, and the first counts",
                    rule.source, rule.class.name
                )),
                false => rules.custom.push(rule),
            }
        }
    }
    if rules.custom.len() > MOST {
        section.reject(
            "rules",
            Bad::new(format!("up to {MOST} rules in all"), "leave out a file"),
        );
        rules.custom.truncate(MOST);
    }
    let custom = rules.custom.iter().map(|rule| rule.class.name);
    let analyzed = rules.analyzed.iter().map(|class| class.name);
    let names: Vec<&'c str> = classes
        .iter()
        .copied()
        .chain(custom)
        .chain(analyzed)
        .collect();
    rules.class_confidence = section.section("confidence", |section| {
        section.entries(&names, thousandths(1.0))
    });
    let class = |value: &DeValue<'_>| choice(&named(&names))(value).map(str::to_owned);
    let surrogates = section.list("surrogates", class);
    rules.surrogates = surrogates.into_iter().flatten().collect();
    let hard = section.list("hard_block", class);
    rules.hard = BTreeSet::from_iter(hard.into_iter().flatten());
    section.sections("allow", |section| {
        let value = section.get("value", text);
        let pattern = section.get("pattern", pattern);
        let classes = section.list("classes", class).unwrap_or_default();
        if value.is_none() && pattern.is_none() && (section.has("value") || section.has("pattern"))
        {
            return;
        }
        let pattern = match (value, pattern) {
            (Some(value), None) => Pattern::new(&regex::escape(&value)).ok(),
            (None, Some(pattern)) => Some(pattern),
            _ => None,
        };
        // Whole values only: what is allowed must not hide what stands around it.
        let whole = pattern
            .and_then(|pattern| Pattern::new(&format!(r"\A(?:{})\z", pattern.0.as_str())).ok());
        match whole {
            Some(pattern) => rules.allow.push(Allowed { pattern, classes }),
            None => {
                section.reject_whole(Bad::new("a `value` or a `pattern`", "write one of the two"))
            }
        }
    });
    (Arc::new(rules), names)
}

fn named<'n>(names: &[&'n str]) -> Vec<(&'n str, &'n str)> {
    names.iter().map(|name| (*name, *name)).collect()
}

fn rule_file(value: &DeValue<'_>) -> Result<gitleaks::Loaded, Bad> {
    let path = path(value)?;
    let name = path.display().to_string();
    let wrong = |why: String| {
        Bad::new(
            "the path of a rule file in gitleaks' format",
            format!("mend the file: {why}"),
        )
    };
    let content = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    gitleaks::read(&name, &content).map_err(wrong)
}

fn class_name(value: &DeValue<'_>) -> Result<String, Bad> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let given = value.as_str().unwrap_or_default();
    let good = (1..=48).contains(&given.len()) && given.bytes().all(allowed);
    good.then(|| given.to_owned()).ok_or_else(|| {
        Bad::new(
            "up to 48 lower-case letters, digits and underscores",
            "give it a name like \"employee_id\"",
        )
    })
}

/// What tokens start with. A number at its end would read as a token's.
pub(super) fn label(value: &DeValue<'_>) -> Result<String, Bad> {
    let part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(allowed)
    };
    let given = value.as_str().unwrap_or_default();
    let good = given.len() <= 48
        && given.starts_with(|first: char| first.is_ascii_uppercase())
        && given.ends_with(|last: char| last.is_ascii_uppercase())
        && given.split('_').all(part);
    good.then(|| given.to_owned()).ok_or_else(|| {
        Bad::new(
            "up to 48 capital letters, digits and single underscores, with a letter at both ends",
            "give it a label like \"EMPLOYEE\"",
        )
    })
}

fn pattern(value: &DeValue<'_>) -> Result<Pattern, Bad> {
    let wrong = |why: String| {
        let last = why.lines().last().unwrap_or_default();
        Bad::new(
            "a regular expression of the Rust crate regex",
            format!("mend it: {}", last.trim()),
        )
    };
    let given = text(value).map_err(|_| wrong("it is empty".to_owned()))?;
    let pattern = Pattern::new(&given).map_err(|error| wrong(error.to_string()))?;
    match pattern.0.is_match(b"") {
        true => Err(wrong("it matches the empty text".to_owned())),
        false => Ok(pattern),
    }
}

/// A number from 0 on, kept in thousandths.
pub(super) fn thousandths(most: f64) -> impl Fn(&DeValue<'_>) -> Result<u16, Bad> {
    move |value| {
        let number = match value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            _ => None,
        };
        number
            .filter(|number| (0.0..=most).contains(number))
            .map(|number| (number * 1000.0).round() as u16)
            .ok_or_else(|| {
                Bad::new(
                    format!("a number from 0 to {most}"),
                    "write it without quotes, like 0.8",
                )
            })
    }
}
