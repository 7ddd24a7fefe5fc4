//! What a config adds to the built-in rows, for all policies alike: profiles, exceptions, detectors of the operator's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use regex::bytes::Regex;

use super::{Class, Profile};

/// Everything beside the classes' actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Regions whose numbers are looked for without a word beside them.
    pub profiles: Vec<Profile>,
    /// Least confidence of a finding, in thousandths.
    pub confidence: u16,
    /// The same by class, instead.
    pub class_confidence: BTreeMap<String, u16>,
    /// Values that are never found.
    pub allow: Vec<Allowed>,
    /// Classes that block whatever else is configured: no exception, confidence or policy clears them.
    pub hard: BTreeSet<String>,
    /// Classes whose values keep their shape, if they have one that there are surrogates for.
    pub surrogates: BTreeSet<String>,
    /// Detectors of the operator's own.
    pub custom: Vec<Custom>,
    /// Classes of what others find: an analyzer that is asked.
    pub analyzed: Vec<Class>,
    /// What of the operator's rule files is not used, and why.
    pub notes: Vec<String>,
}

/// Values that are never found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Whole values.
    pub pattern: Pattern,
    /// Only findings of these classes; none: of all.
    pub classes: Vec<String>,
}

/// A detector in the operator's words: a regular expression, in linear time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// Name, label and default action.
    pub class: Class,
    /// Where it comes from, for people.
    pub source: String,
    /// What is searched for.
    pub pattern: Pattern,
    /// The capture group that is the value; None: the first that took part, or all.
    pub group: Option<usize>,
    /// Literals, in lower case, of which a text must have one; none: every text is searched.
    pub keywords: Vec<String>,
    /// Least Shannon entropy of the value, in thousandths of a bit a byte.
    pub entropy: u16,
    /// In thousandths.
    pub confidence: u16,
    /// What of its matches is no finding.
    pub except: Vec<Except>,
}

/// An exception of a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Except {
    /// What the patterns are held against.
    pub target: Target,
    /// Any of these.
    pub patterns: Vec<Pattern>,
    /// Any of these, in lower case, anywhere in the value.
    pub words: Vec<String>,
    /// Whether a pattern and a word have to hold; otherwise one of either.
    pub both: bool,
}

/// Part of the text that an exception looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The value.
    #[default]
    Value,
    /// All that the rule's pattern matched.
    Match,
    /// The lines of the match.
    Line,
}

/// A compiled regular expression; two are equal when they are written alike.
#[derive(Clone, Debug)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Bytes that one compiled expression may take: rule files have large counted repetitions.
    const SIZE_LIMIT: usize = 32 << 20;

    /// Compiles an expression whose classes mean Unicode's characters.
    ///
    /// # Errors
    /// What is wrong with it, in words for whoever wrote it.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        Self::compile(text, true)
    }

    /// Compiles an expression as Go's `regexp` reads it: `\w`, `\d`, `\s` and `\b` mean ASCII.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn ascii(text: &str) -> Result<Self, regex::Error> {
        Self::compile(text, false).or_else(|_| Self::compile(text, true))
    }

    fn compile(text: &str, unicode: bool) -> Result<Self, regex::Error> {
        let mut builder = regex::bytes::RegexBuilder::new(text);
        builder.unicode(unicode).size_limit(Self::SIZE_LIMIT);
        builder.build().map(Self)
    }
}

impl Allowed {
    /// Whether a value of a class is one of these.
    pub fn covers(&self, class: &str, value: &[u8]) -> bool {
        (self.classes.is_empty() || self.classes.iter().any(|own| own == class))
            && self.pattern.0.is_match(value)
    }
}

/// A name that lives as long as the process: classes are named everywhere by such. Each is kept once, so that reading a
/// config again costs nothing.
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}
