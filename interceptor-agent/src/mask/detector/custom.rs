//! The operator's own detectors. One pass over all their keywords says which of them look at a text, and where.

use std::{collections::HashMap, ops::Range};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{
    check::entropy,
    rules::{Custom, Except, Target},
};

/// Compiled detectors, named by their place in the list that they came in.
pub struct Engine {
    rules: Vec<(usize, Custom)>,
    keywords: Option<AhoCorasick>,
    /// By keyword, the rules that have it, as indexes of `rules`.
    watching: Vec<Vec<usize>>,
    /// Rules without keywords.
    always: Vec<usize>,
}

/// How far from its keyword a match may begin, and go on. Longer ones are found as far as they are in reach.
const REACH: (usize, usize) = (1024, 16 * 1024);

impl Engine {
    /// Compiles those of the rules that are looked for.
    pub fn new(rules: impl Iterator<Item = (usize, Custom)>) -> Self {
        let rules: Vec<_> = rules.collect();
        let mut words: Vec<&str> = rules
            .iter()
            .flat_map(|(_, rule)| &rule.keywords)
            .map(String::as_str)
            .collect();
        words.sort_unstable();
        words.dedup();
        let having = |word: &&str| -> Vec<usize> {
            let with = rules
                .iter()
                .enumerate()
                .filter(|(_, (_, rule))| rule.keywords.iter().any(|keyword| keyword == word));
            with.map(|(index, _)| index).collect()
        };
        let watching = words.iter().map(having).collect();
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&words)
            .ok()
            .filter(|_| !words.is_empty());
        let always = (0..rules.len())
            // A set of keywords too large to compile filters nothing, so that nothing is missed.
            .filter(|&index| keywords.is_none() || rules[index].1.keywords.is_empty())
            .collect();
        Self {
            rules,
            keywords,
            watching,
            always,
        }
    }

    /// Calls back with each value: the rule's place in the list, and its confidence.
    pub fn scan(&self, text: &str, mut found: impl FnMut(usize, Range<usize>, f32)) {
        if self.rules.is_empty() {
            return;
        }
        let mut line = Line::default();
        for &index in &self.always {
            self.search(index, text, 0..text.len(), &mut line, &mut found);
        }
        let Some(keywords) = &self.keywords else {
            return;
        };
        // By rule, the part of the text that is searched next: it grows with each keyword that is in reach of it.
        let mut reaches: Vec<Option<Range<usize>>> = Vec::new();
        for hit in keywords.find_overlapping_iter(text.as_bytes()) {
            reaches.resize(self.rules.len(), None);
            let reach = hit.start().saturating_sub(REACH.0)..text.len().min(hit.end() + REACH.1);
            for &index in &self.watching[hit.pattern().as_usize()] {
                let earlier = reaches[index].take();
                reaches[index] = Some(match earlier {
                    Some(earlier) if reach.start <= earlier.end => earlier.start..reach.end,
                    Some(earlier) => {
                        self.search(index, text, earlier, &mut line, &mut found);
                        reach.clone()
                    }
                    None => reach.clone(),
                });
            }
        }
        for (index, reach) in reaches.into_iter().enumerate() {
            if let Some(reach) = reach {
                self.search(index, text, reach, &mut line, &mut found);
            }
        }
    }

    fn search(
        &self,
        index: usize,
        text: &str,
        reach: Range<usize>,
        line: &mut Line,
        found: &mut impl FnMut(usize, Range<usize>, f32),
    ) {
        let (place, rule) = &self.rules[index];
        let bytes = text.as_bytes();
        let mut at = reach.start;
        while let Some(groups) = rule.pattern.0.captures_at(&bytes[..reach.end], at) {
            let all = groups.get_match().range();
            at = all.end.max(all.start + 1);
            let group = match rule.group {
                Some(group) => groups.get(group),
                None => groups
                    .iter()
                    .skip(1)
                    .flatten()
                    .find(|group| !group.is_empty()),
            };
            let value = whole_characters(text, group.map_or(all.clone(), |group| group.range()));
            let random = entropy(&bytes[value.clone()]) * 1000.0 >= f32::from(rule.entropy);
            let mut excepted = || {
                rule.except
                    .iter()
                    .any(|except| holds(except, bytes, (&all, &value), line))
            };
            if !value.is_empty() && random && !excepted() {
                found(*place, value, f32::from(rule.confidence) / 1000.0);
            }
            if at > reach.end {
                return;
            }
        }
    }
}

fn holds(
    except: &Except,
    text: &[u8],
    (all, value): (&Range<usize>, &Range<usize>),
    line: &mut Line,
) -> bool {
    let matches = |range: &Range<usize>| {
        let part = &text[range.clone()];
        except
            .patterns
            .iter()
            .any(|pattern| pattern.0.is_match(part))
    };
    let pattern = match except.target {
        Target::Value => matches(value),
        Target::Match => matches(all),
        Target::Line => line.holds(except, text, all, matches),
    };
    let value = text[value.clone()].to_ascii_lowercase();
    let word = except
        .words
        .iter()
        .any(|word| memchr::memmem::find(&value, word.as_bytes()).is_some());
    match except.both {
        true => pattern && word,
        false => pattern || word,
    }
}

/// The line that was looked at last, and which exceptions hold for it: all of a text may be one line, with any number of matches.
#[derive(Default)]
struct Line {
    range: Range<usize>,
    /// By the exception's address.
    holds: HashMap<*const Except, bool>,
}

impl Line {
    fn holds(
        &mut self,
        except: &Except,
        text: &[u8],
        all: &Range<usize>,
        matches: impl Fn(&Range<usize>) -> bool,
    ) -> bool {
        if memchr::memchr(b'\n', &text[all.clone()]).is_some() {
            return matches(&line_around(text, all));
        }
        if all.start < self.range.start || self.range.end < all.end {
            self.range = line_around(text, all);
            self.holds.clear();
        }
        let known = self.holds.entry(except);
        *known.or_insert_with(|| matches(&self.range))
    }
}

fn line_around(text: &[u8], all: &Range<usize>) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &text[..all.start]).map_or(0, |at| at + 1);
    let length = memchr::memchr(b'\n', &text[all.end..]);
    start..length.map_or(text.len(), |length| all.end + length)
}

/// Widens a range that cuts a character, as expressions of bytes can.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end)
}
