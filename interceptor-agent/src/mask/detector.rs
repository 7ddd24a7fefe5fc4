//! Detectors as rows of data, and the single pass that runs them over a text.
//!
//! A row's patterns are watched by the prefilter; where its rarest window is seen, the pattern is matched at that place only,
//! and the row's check looks closer. A new kind of value is a row and its samples in `rows`.

mod assignment;
mod check;
mod checksum;
mod class;
mod custom;
mod generated;
pub mod gitleaks;
mod prefilter;
mod row;
mod rows;
pub mod rules;
mod shape;
mod source_code;

use std::{collections::BTreeMap, ops::Range};

pub(super) use check::starts_word;
pub use class::{Action, Class, Profile};
use custom::Engine;
use prefilter::Prefilter;
use row::{Row, Site};
use rules::{Allowed, Rules};
use shape::{Runs, Shape};
use source_code::Surroundings;

/// Index of a class in the table of its [`Detectors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Ord, PartialOrd)]
pub struct ClassId(u16);

/// One value found in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Its kind.
    pub class: ClassId,
    /// Byte offset of its first byte in the text, on a character boundary.
    pub start: usize,
    /// Byte offset after its last byte.
    pub end: usize,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f32,
}

/// A class name in the config that there is not.
#[derive(Debug, thiserror::Error)]
#[error("the config names the class {name:?}, which does not exist; use one of {}", names.join(", "))]
pub struct UnknownClass {
    /// The name as written.
    pub name: String,
    names: Vec<&'static str>,
}

/// The detectors, compiled once and shared; scanning keeps no state.
pub struct Detectors {
    /// Built-in rows; the classes after theirs are the operator's.
    rows: Vec<&'static Row>,
    classes: Vec<Decided>,
    allow: Vec<Allowed>,
    patterns: Vec<Pattern>,
    prefilter: Prefilter,
    custom: Engine,
}

/// A class, and what the config says of it.
struct Decided {
    class: Class,
    action: Action,
    /// Least confidence of a finding.
    confidence: f32,
    /// Whether a word beside a value is asked for, where its row has such.
    asks: bool,
    /// Whether nothing clears it.
    hard: bool,
    /// Whether its values get surrogates.
    surrogates: bool,
    /// Whether it is of a detector of the operator's own: such values may look like tokens.
    own: bool,
}

struct Pattern {
    shape: Shape,
    /// Shapes of the value that the name is given, where the pattern is only the name.
    assigned: Vec<Shape>,
    row: ClassId,
}

impl Detectors {
    /// Every row, with its default action.
    pub fn builtin() -> Self {
        Self::compile(&BTreeMap::new(), &Rules::default())
    }

    /// Every row, with the actions of a config. Classes that are allowed are not looked for and cost nothing.
    ///
    /// # Errors
    /// When a name is no class.
    pub fn with_actions(actions: &BTreeMap<String, Action>) -> Result<Self, UnknownClass> {
        Self::new(actions, &Rules::default())
    }

    /// Every row and the operator's own detectors, as a config has them.
    ///
    /// # Errors
    /// When a name is no class.
    pub fn new(actions: &BTreeMap<String, Action>, rules: &Rules) -> Result<Self, UnknownClass> {
        let names: Vec<_> = Self::class_names()
            .chain(rules.custom.iter().map(|rule| rule.class.name))
            .chain(rules.analyzed.iter().map(|class| class.name))
            .collect();
        match actions.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(UnknownClass {
                name: name.clone(),
                names,
            }),
            None => Ok(Self::compile(actions, rules)),
        }
    }

    /// Names of the built-in classes.
    pub fn class_names() -> impl Iterator<Item = &'static str> {
        rows::all().map(|row| row.class.name)
    }

    /// The built-in classes, and those of these rules.
    pub fn known(rules: &Rules) -> impl Iterator<Item = Class> {
        let own = rules.custom.iter().map(|rule| rule.class);
        rows::all().map(|row| row.class).chain(own)
    }

    /// What is done with a class where the config says nothing; None for a name that is no class.
    pub fn default_action(class: &str) -> Option<Action> {
        let mut rows = rows::all();
        rows.find(|row| row.class.name == class)
            .map(|row| row.class.action)
    }

    fn compile(actions: &BTreeMap<String, Action>, rules: &Rules) -> Self {
        let rows: Vec<_> = rows::all().collect();
        let decided = |class: Class, profile: Option<Profile>| {
            let hard = rules.hard.contains(class.name);
            let written = actions.get(class.name).copied();
            let least = rules.class_confidence.get(class.name);
            Decided {
                class,
                action: match hard {
                    true => Action::Block,
                    false => written.unwrap_or(class.action),
                },
                confidence: f32::from(*least.unwrap_or(&rules.confidence)) / 1000.0,
                asks: !profile.is_some_and(|profile| rules.profiles.contains(&profile)),
                hard,
                surrogates: rules.surrogates.contains(class.name),
                own: false,
            }
        };
        let builtin = rows.iter().map(|row| decided(row.class, row.profile));
        let own = rules.custom.iter().map(|rule| Decided {
            own: true,
            ..decided(rule.class, None)
        });
        let analyzed = rules.analyzed.iter().map(|class| decided(*class, None));
        let classes: Vec<_> = builtin.chain(own).chain(analyzed).collect();
        let looked_for = |index: usize| classes[index].action != Action::Allow;
        let custom = rules.custom.iter().cloned().enumerate();
        let custom = custom.map(|(index, rule)| (rows.len() + index, rule));
        let custom = Engine::new(custom.filter(|(index, _)| looked_for(*index)));
        let patterns: Vec<_> = rows
            .iter()
            .enumerate()
            .filter(|&(index, _)| looked_for(index))
            .flat_map(|(index, row)| {
                row.patterns.iter().map(move |pattern| Pattern {
                    shape: Shape::new(pattern),
                    assigned: row.assigned.iter().map(|shape| Shape::new(shape)).collect(),
                    row: ClassId(index as u16),
                })
            })
            .collect();
        let prefilter = Prefilter::new(patterns.iter().map(|pattern| &pattern.shape));
        Self {
            rows,
            classes,
            allow: rules.allow.clone(),
            patterns,
            prefilter,
            custom,
        }
    }

    /// Appends what is found in a text: in order of start, none overlapping another. Allocates only to append.
    pub fn scan(&self, text: &str, findings: &mut Vec<Finding>) {
        let first = findings.len();
        self.custom.scan(text, |class, span, confidence| {
            let found = self.accept(ClassId(class as u16), text.as_bytes(), span, confidence);
            findings.extend(found);
        });
        let text = text.as_bytes();
        let (mut runs, around) = (Runs::default(), Surroundings::default());
        self.prefilter.run(text, |pattern, at| {
            let pattern = &self.patterns[pattern as usize];
            self.examine(pattern, (text, &around), at, &mut runs, findings);
        });
        self.join_overlaps(findings, first);
    }

    /// What somebody else found, if policy looks for it.
    pub(super) fn outside(
        &self,
        class: &str,
        text: &str,
        span: Range<usize>,
        confidence: f32,
    ) -> Option<Finding> {
        let mut classes = self.classes.iter();
        let index = classes.rposition(|decided| decided.class.name == class)?;
        let looked_for = self.classes[index].action != Action::Allow;
        let id = ClassId(index as u16);
        looked_for
            .then(|| self.accept(id, text.as_bytes(), span, confidence))
            .flatten()
    }

    /// The class of an id that these detectors gave out.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize].class
    }

    /// What is done with findings of a class.
    pub fn action(&self, id: ClassId) -> Action {
        self.classes[id.0 as usize].action
    }

    /// Whether values of a class get surrogates where they have the shape for it.
    pub fn has_surrogates(&self, id: ClassId) -> bool {
        self.classes[id.0 as usize].surrogates
    }

    /// All classes, allowed ones too.
    pub fn classes(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        self.classes
            .iter()
            .enumerate()
            .map(|(index, decided)| (ClassId(index as u16), &decided.class))
    }

    fn examine(
        &self,
        pattern: &Pattern,
        (text, around): (&[u8], &Surroundings),
        at: usize,
        runs: &mut Runs,
        findings: &mut Vec<Finding>,
    ) {
        let row = self.rows[pattern.row.0 as usize];
        let Some(matched) = pattern.shape.match_at(text, at, runs) else {
            return;
        };
        let site = Site {
            text,
            all: matched.all,
            value: matched.value,
            around,
        };
        if let Some(each) = row.each {
            each(&site, &mut |span| {
                findings.extend(self.judge(pattern.row, &site, span))
            });
            return;
        }
        let span = match pattern.assigned.as_slice() {
            [] => (row.check)(&site),
            shapes => assigned_value(&site, shapes, runs),
        };
        findings.extend(span.and_then(|span| self.judge(pattern.row, &site, span)));
    }

    /// Whether a value, as it stands, is one of its row.
    fn judge(&self, class: ClassId, site: &Site<'_>, span: Range<usize>) -> Option<Finding> {
        let row = self.rows[class.0 as usize];
        let text = site.text;
        let value = &text[span.clone()];
        // Inside the match the pattern says what stands beside the value; punctuation is an edge by itself.
        let is_wordy = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let starts = span.start > site.all.start
            || !is_wordy(value.first())
            || check::starts_word(text, span.start);
        let ends =
            span.end < site.all.end || !is_wordy(value.last()) || check::ends_word(text, span.end);
        if !starts || !ends {
            return None;
        }
        let proven = (row.proof)(value);
        let random = proven || row.entropy == 0.0 || check::entropy(value) >= row.entropy;
        let in_context = row.context.is_empty()
            || !self.classes[class.0 as usize].asks
            || row.alone && site.is_alone()
            || site.has_near(row.context);
        let confidence = if proven { 0.99 } else { row.confidence };
        match random && in_context {
            true => self.accept(class, text, span, confidence),
            false => None,
        }
    }

    /// A finding, unless it is a token of ours, too unsure, or one that the operator allows.
    fn accept(
        &self,
        class: ClassId,
        text: &[u8],
        span: Range<usize>,
        confidence: f32,
    ) -> Option<Finding> {
        let value = &text[span.clone()];
        let decided = &self.classes[class.0 as usize];
        let allowed = || {
            let mut allow = self.allow.iter();
            allow.any(|allowed| allowed.covers(decided.class.name, value))
        };
        let cleared = !decided.hard && (confidence < decided.confidence || allowed());
        let is_ours = !decided.own && self.is_token(value);
        (!cleared && !is_ours).then_some(Finding {
            class,
            start: span.start,
            end: span.end,
            confidence,
        })
    }

    /// Whether a value is a token of ours, as in a text that was masked before: a label, `_`, three digits or more.
    fn is_token(&self, value: &[u8]) -> bool {
        let digits = value
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        match value[..value.len() - digits].split_last() {
            Some((b'_', label)) if digits >= 3 => self
                .classes
                .iter()
                .any(|decided| decided.class.label.as_bytes() == label),
            _ => false,
        }
    }

    /// Sorts findings from `first` on and joins those that overlap to one that covers all of them, so nothing that any
    /// detector found is left out. Its class is that of the strictest action, then the highest confidence, then the longest.
    pub(super) fn join_overlaps(&self, all: &mut Vec<Finding>, first: usize) {
        let findings = &mut all[first..];
        if findings.len() < 2 {
            return;
        }
        findings.sort_unstable_by_key(|finding| (finding.start, finding.end, finding.class));
        let rank = |finding: &Finding| {
            (
                self.action(finding.class).strictness(),
                (finding.confidence * 1000.0) as u32,
                finding.end - finding.start,
            )
        };
        let (mut last, mut best) = (0, rank(&findings[0]));
        for index in 1..findings.len() {
            let next = findings[index];
            if next.start >= findings[last].end {
                last += 1;
                findings[last] = next;
                best = rank(&next);
                continue;
            }
            let joined = &mut findings[last];
            joined.end = joined.end.max(next.end);
            if rank(&next) > best {
                best = rank(&next);
                (joined.class, joined.confidence) = (next.class, next.confidence);
            }
        }
        all.truncate(first + last + 1);
    }
}

/// The value of one of these shapes that a vendor's name, which starts no later than a word of its name, is given.
fn assigned_value(site: &Site<'_>, shapes: &[Shape], runs: &mut Runs) -> Option<Range<usize>> {
    let named = assignment::starts_part(site.text, site.all.start)
        && !assignment::starts_part_at_end(site.text, site.all.end);
    let value = named
        .then(|| assignment::assigned(site.text, site.all.clone()))??
        .value;
    let is_whole = |shape: &Shape, runs: &mut Runs| {
        let matched = shape.match_at(site.text, value.start, runs);
        matched.is_some_and(|matched| matched.all.end == value.end)
    };
    let shaped = shapes.iter().any(|shape| is_whole(shape, runs));
    (shaped && generated::is_key(site.bytes(value.clone()))).then_some(value)
}

#[cfg(test)]
mod tests;
