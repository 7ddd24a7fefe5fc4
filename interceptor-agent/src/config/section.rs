//! One TOML table being read: keys are taken by name, what is wrong is noted with its place, and what nobody took is
//! an unknown key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// One thing that is wrong: where, what was given, what is allowed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Path of the key, like `steering.ports[1]`.
    pub key: String,
    /// The value as written, shortened; `None` when the key is missing.
    pub given: Option<String>,
    /// What may stand there.
    pub allowed: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  line {}: {}", self.line, self.key)?;
        match &self.given {
            Some(given) => writeln!(f, " = {given}")?,
            None => writeln!(f, " is missing")?,
        }
        writeln!(f, "    allowed: {}", self.allowed)?;
        write!(f, "    do:      {}", self.remedy)
    }
}

/// Why a value can't be taken.
#[derive(Debug)]
pub(super) struct Bad {
    allowed: String,
    remedy: String,
    hidden: bool,
}

impl Bad {
    pub(super) fn new(allowed: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            allowed: allowed.into(),
            remedy: remedy.into(),
            hidden: false,
        }
    }

    /// The same, where the value may hold a secret: it is not shown.
    pub(super) fn hidden(self) -> Self {
        Self {
            hidden: true,
            ..self
        }
    }
}

/// The file's text, and what is wrong with it so far.
pub(super) struct Source<'s> {
    text: &'s str,
    problems: RefCell<Vec<Problem>>,
}

impl<'s> Source<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        Self {
            text,
            problems: RefCell::default(),
        }
    }

    pub(super) fn root<'a>(&'a self, table: &'a DeTable<'a>) -> Section<'a> {
        Section {
            source: self,
            table: Some(table),
            path: String::new(),
            span: 0..0,
            taken: Vec::new(),
        }
    }

    /// In order of lines.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    fn note(&self, key: String, span: Range<usize>, given: bool, bad: Bad) {
        let line = 1 + self.text[..span.start].matches('\n').count();
        let given = given.then(|| match bad.hidden {
            true => "(not shown)".to_owned(),
            false => shortened(&self.text[span]),
        });
        self.problems.borrow_mut().push(Problem {
            line,
            key,
            given,
            allowed: bad.allowed,
            remedy: bad.remedy,
        });
    }
}

/// A table, or one that is left out and so has only defaults.
pub(super) struct Section<'s> {
    source: &'s Source<'s>,
    table: Option<&'s DeTable<'s>>,
    path: String,
    span: Range<usize>,
    taken: Vec<&'static str>,
}

impl<'s> Section<'s> {
    /// A key's value; `None` when it is left out or wrong.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue<'s>) -> Result<T, Bad>,
    ) -> Option<T> {
        let value = self.take(key)?;
        parse(value.get_ref())
            .map_err(|bad| self.source.note(self.join(key), value.span(), true, bad))
            .ok()
    }

    /// As [`Section::get`], for a key that may not be left out.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue<'s>) -> Result<T, Bad>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            // An empty value's complaint says what is allowed.
            let empty = DeValue::String("".into());
            let allowed = parse(&empty)
                .err()
                .map_or_else(String::new, |bad| bad.allowed);
            let bad = Bad::new(allowed, format!("add `{key} = …`"));
            self.source
                .note(self.join(key), self.span.clone(), false, bad);
        }
        self.get(key, parse)
    }

    /// A key's array, without the items that are wrong.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue<'s>) -> Result<T, Bad>,
    ) -> Option<Vec<T>> {
        let items = self.array(key, "a list, like [a, b]")?;
        let item = |(at, item): (usize, &Spanned<DeValue<'s>>)| {
            let note = |bad| {
                self.source
                    .note(format!("{}[{at}]", self.join(key)), item.span(), true, bad)
            };
            parse(item.get_ref()).map_err(note).ok()
        };
        Some(items.iter().enumerate().filter_map(item).collect())
    }

    /// As [`Section::list`], for one that may not be empty.
    pub(super) fn filled_list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue<'s>) -> Result<T, Bad>,
        empty: Bad,
    ) -> Option<Vec<T>> {
        let list = self.list(key, parse);
        let array = self.find(key).and_then(|value| value.get_ref().as_array());
        if array.is_some_and(|array| array.is_empty()) {
            self.reject(key, empty);
        }
        list
    }

    /// Whether something stands there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// A table below this one.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'s>) -> T,
    ) -> T {
        let value = self.take(key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            let bad = Bad::new(
                "a table",
                format!("write `[{}]` and its keys below", self.join(key)),
            );
            self.source.note(self.join(key), value.span(), true, bad);
        }
        let span = value.map_or(self.span.clone(), Spanned::span);
        let mut section = Section {
            source: self.source,
            table,
            path: self.join(key),
            span,
            taken: Vec::new(),
        };
        let result = read(&mut section);
        section.finish();
        result
    }

    /// A table below this one that means nothing by being left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'s>) -> T,
    ) -> Option<T> {
        if self.has(key) {
            return Some(self.section(key, read));
        }
        self.taken.push(key);
        None
    }

    /// Each table of an array of tables.
    pub(super) fn sections(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'s>)) {
        let wanted = format!("tables, each below `[[{key}]]`");
        for (at, item) in self.array(key, &wanted).into_iter().flatten().enumerate() {
            let path = format!("{}[{at}]", self.join(key));
            let Some(table) = item.get_ref().as_table() else {
                self.source.note(
                    path,
                    item.span(),
                    true,
                    Bad::new(wanted.clone(), format!("begin it with `[[{key}]]`")),
                );
                continue;
            };
            let mut section = Section {
                source: self.source,
                table: Some(table),
                path,
                span: item.span(),
                taken: Vec::new(),
            };
            read(&mut section);
            section.finish();
        }
    }

    /// Every key of a table whose keys are names from `allowed`.
    pub(super) fn entries<T>(
        &mut self,
        allowed: &[&str],
        parse: impl Fn(&DeValue<'s>) -> Result<T, Bad>,
    ) -> BTreeMap<String, T> {
        let mut entries = BTreeMap::new();
        for (key, value) in self.table.take().into_iter().flatten() {
            let name = key.get_ref().as_ref();
            let parsed = match allowed.contains(&name) {
                true => parse(value.get_ref()),
                false => Err(unknown(name, allowed)),
            };
            match parsed {
                Ok(parsed) => _ = entries.insert(name.to_owned(), parsed),
                Err(bad) => self.source.note(self.join(name), value.span(), true, bad),
            }
        }
        entries
    }

    /// Notes that a key's value does not go with others.
    pub(super) fn reject(&self, key: &'static str, bad: Bad) {
        let value = self.find(key);
        let span = value.map_or(self.span.clone(), Spanned::span);
        self.source.note(self.join(key), span, value.is_some(), bad);
    }

    /// Notes that a table as a whole is wrong.
    pub(super) fn reject_whole(&self, bad: Bad) {
        let given = self.table.is_some();
        self.source
            .note(self.path.clone(), self.span.clone(), given, bad);
    }

    /// Notes the keys that nobody took.
    pub(super) fn finish(self) {
        for (key, value) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if !self.taken.contains(&name) {
                self.source.note(
                    self.join(name),
                    value.span(),
                    true,
                    unknown(name, &self.taken),
                );
            }
        }
    }

    fn array(&mut self, key: &'static str, wanted: &str) -> Option<&'s DeArray<'s>> {
        let value = self.take(key)?;
        let array = value.get_ref().as_array();
        if array.is_none() {
            let bad = Bad::new(wanted, "put it in brackets, or leave the key out");
            self.source.note(self.join(key), value.span(), true, bad);
        }
        array
    }

    fn take(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.taken.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }

    fn join(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

/// More names than this don't help a reader.
const MANY: usize = 60;

fn unknown(name: &str, allowed: &[&str]) -> Bad {
    let remedy = match nearest(name, allowed) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "remove the key".to_owned(),
    };
    // Of all lists only that of classes is so long.
    if allowed.len() > MANY {
        let (names, command) = (allowed.len(), "`interceptor rules list`");
        return Bad::new(format!("one of {names} names, see {command}"), remedy);
    }
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable();
    Bad::new(format!("the keys {}", allowed.join(", ")), remedy)
}

/// The name that was probably meant: two edits away, or a third of its letters, but not more than half.
pub(super) fn nearest<'n>(given: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names
        .iter()
        .map(|name| (distance(given, name), *name))
        .min()?;
    (near.0 <= (near.1.len() / 3).max(2).min(near.1.len() / 2)).then_some(near.1)
}

/// Levenshtein's edit distance, row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(MOST).collect();
    if short.len() < text.len() {
        short + "…"
    } else {
        short
    }
}
