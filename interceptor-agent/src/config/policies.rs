//! `[[policies]]`: other decisions than the top level's, for processes that the kernel or a container runtime vouches for.
//!
//! The first policy whose whole `match` holds is the one that counts, whole; what it leaves out is the top level's.

use std::collections::BTreeMap;

use super::{
    PathPolicy,
    read::{ACTIONS, MODES, SIDE_PATH, UNKNOWN_PATH},
    section::{Bad, Section},
    values::{choice, policy_name, text, user_id},
};
use crate::{
    glob::Glob,
    hosts::Hosts,
    mask::{
        Mode,
        detector::{Action, Detectors},
    },
    who::Who,
};

/// Policies at most: each is a label in metrics, and is looked at for each exchange.
const MOST: usize = 64;

/// What is decided for an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// What happens to findings.
    pub mode: Mode,
    /// A path of an LLM host that no adapter knows.
    pub unknown_path: PathPolicy,
    /// A known path that is not LLM API.
    pub side_path: PathPolicy,
    /// Content that can't be read.
    pub unreadable: PathPolicy,
    /// Only the classes that the operator named.
    pub classes: BTreeMap<String, Action>,
    /// The only LLM hosts that may be called; None: all.
    pub hosts: Option<Vec<Glob>>,
}

/// One of `[[policies]]`, with what it leaves out filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// In log, audit and metrics.
    pub name: String,
    /// Whom it is for.
    pub who: Match,
    /// What holds for them.
    pub decisions: Decisions,
}

/// Conditions that all have to hold, each by one of its patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match(Vec<(Fact, Vec<Glob>)>);

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Uid,
    Unit,
    Cgroup,
    Container,
    Image,
    Pod,
    Namespace,
    Comm,
    Command,
}

const FACTS: [(&str, Fact); 9] = [
    ("uid", Fact::Uid),
    ("unit", Fact::Unit),
    ("cgroup", Fact::Cgroup),
    ("container", Fact::Container),
    ("image", Fact::Image),
    ("pod", Fact::Pod),
    ("namespace", Fact::Namespace),
    ("comm", Fact::Comm),
    ("command", Fact::Command),
];

impl Fact {
    /// Nothing that is not known meets a condition.
    fn holds(self, who: &Who, patterns: &[Glob]) -> bool {
        let any = |value: &str| patterns.iter().any(|pattern| pattern.matches(value));
        let (process, group, container) = (&who.process, &who.vouched, &who.container);
        let text = match self {
            Self::Uid => return process.known_uid().is_some_and(|uid| any(&uid.to_string())),
            Self::Unit => &group.unit,
            Self::Cgroup => &group.path,
            Self::Container => &group.container,
            Self::Image => &container.image,
            Self::Pod => &container.pod_name,
            Self::Namespace => &container.pod_namespace,
            Self::Comm => return any(&process.comm),
            Self::Command => &who.command,
        };
        text.as_deref().is_some_and(any)
    }

    /// A process gives itself any name and rewrites its arguments.
    fn is_self_chosen(self) -> bool {
        matches!(self, Self::Comm | Self::Command)
    }
}

impl Match {
    /// Whether all of it holds.
    pub fn holds(&self, who: &Who) -> bool {
        self.0
            .iter()
            .all(|(fact, patterns)| fact.holds(who, patterns))
    }

    /// Whether it holds wherever `other` does. It may miss that, and never claims it.
    pub fn covers(&self, other: &Self) -> bool {
        let covered = |theirs: &Glob, ours: &[Glob]| ours.iter().any(|our| our.covers(theirs));
        self.0.iter().all(|(fact, ours)| {
            let same = other.0.iter().find(|(theirs, _)| theirs == fact);
            same.is_some_and(|(_, theirs)| theirs.iter().all(|their| covered(their, ours)))
        })
    }

    /// Whether it holds for nobody whose cgroup is not known.
    pub fn asks_for_cgroup(&self) -> bool {
        let elsewhere = |fact| matches!(fact, Fact::Uid | Fact::Comm | Fact::Command);
        self.0.iter().any(|(fact, _)| !elsewhere(*fact))
    }

    /// The key of a condition that a process can meet as it likes.
    fn self_chosen(&self) -> Option<&'static str> {
        let chosen = self.0.iter().find(|(fact, _)| fact.is_self_chosen())?.0;
        FACTS
            .iter()
            .find(|(_, fact)| *fact == chosen)
            .map(|(key, _)| *key)
    }
}

impl Decisions {
    /// Whether a host, in lower case, may be called.
    pub fn allows(&self, host: &str) -> bool {
        let listed = |hosts: &Vec<Glob>| hosts.iter().any(|pattern| pattern.matches(host));
        self.hosts.as_ref().is_none_or(listed)
    }

    /// The key in which less is kept from leaving than by `other`.
    pub fn looser_than(&self, other: &Self) -> Option<String> {
        let enforces = |mode: Mode| mode == Mode::Enforce;
        if enforces(other.mode) && !enforces(self.mode) {
            return Some("mode".to_owned());
        }
        for (key, own, theirs) in [
            ("unknown_path", self.unknown_path, other.unknown_path),
            ("side_path", self.side_path, other.side_path),
            ("unreadable", self.unreadable, other.unreadable),
        ] {
            if own.strictness() < theirs.strictness() {
                return Some(key.to_owned());
            }
        }
        let action = |of: &Self, class: &str| {
            let written = of.classes.get(class).copied();
            written.or_else(|| Detectors::default_action(class))
        };
        let named = self.classes.keys().chain(other.classes.keys());
        for class in named {
            let strictness = |of| action(of, class).map(Action::strictness);
            if strictness(self) < strictness(other) {
                return Some(format!("classes.{class}"));
            }
        }
        let within = |theirs: &Vec<Glob>| {
            let listed = |own: &Glob| theirs.iter().any(|their| their.covers(own));
            self.hosts
                .as_ref()
                .is_some_and(|own| own.iter().all(listed))
        };
        let wider = !other.hosts.as_ref().is_none_or(within);
        wider.then(|| "hosts".to_owned())
    }
}

/// Names of policies that no exchange can come to, each with the one above that takes all of its own.
pub fn unreachable<'r>(rules: &'r [Rule]) -> Vec<(&'r str, &'r str)> {
    let covered = |(at, rule): (usize, &'r Rule)| {
        let mut above = rules[..at].iter();
        let first = above.find(|above| above.who.covers(&rule.who))?;
        Some((rule.name.as_str(), first.name.as_str()))
    };
    rules.iter().enumerate().filter_map(covered).collect()
}

/// Reads the policies in the order that counts. `top` is what holds for everybody else.
pub(super) fn read(
    root: &mut Section<'_>,
    top: &Decisions,
    hosts: &Hosts,
    classes: &[&str],
) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    root.sections("policies", |section| {
        let rule = rule(section, top, hosts, classes);
        check_order(section, &rule, top, &rules);
        rules.push(rule);
    });
    rules
}

fn rule(section: &mut Section<'_>, top: &Decisions, hosts: &Hosts, classes: &[&str]) -> Rule {
    let name = section.required("name", policy_name).unwrap_or_default();
    let who = section.section("match", conditions);
    let overrides = section.section("classes", |section| {
        section.entries(classes, choice(ACTIONS))
    });
    let mut merged = top.classes.clone();
    merged.extend(overrides);
    let known = |pattern: &Glob| {
        let host = hosts.lookup(pattern.as_str());
        host.is_some() || hosts.iter().any(|host| pattern.matches(&host.pattern))
    };
    let host = |value: &toml::de::DeValue<'_>| {
        let pattern = Glob::new(text(value)?.to_ascii_lowercase());
        match known(&pattern) {
            true => Ok(pattern),
            false => Err(Bad::new(
                "an LLM host's name, or a pattern with * for some",
                "add the host by [[hosts]]; what is none is not looked at, and passes",
            )),
        }
    };
    let decisions = Decisions {
        mode: section.get("mode", choice(MODES)).unwrap_or(top.mode),
        unknown_path: section
            .get("unknown_path", choice(UNKNOWN_PATH))
            .unwrap_or(top.unknown_path),
        side_path: section
            .get("side_path", choice(SIDE_PATH))
            .unwrap_or(top.side_path),
        unreadable: section
            .get("unreadable", choice(UNKNOWN_PATH))
            .unwrap_or(top.unreadable),
        classes: merged,
        hosts: section.filled_list(
            "hosts",
            host,
            Bad::new("at least one LLM host", "leave the key out to allow all"),
        ),
    };
    Rule {
        name,
        who,
        decisions,
    }
}

fn conditions(section: &mut Section<'_>) -> Match {
    let mut read = Vec::new();
    for (key, fact) in FACTS {
        let value = if fact == Fact::Uid { user_id } else { text };
        let empty = Bad::new("at least one value", "leave the key out");
        let Some(patterns) = section.filled_list(key, value, empty) else {
            continue;
        };
        let patterns = patterns.into_iter().map(|pattern| match fact {
            Fact::Cgroup => at_or_below(&pattern),
            _ => vec![Glob::new(pattern)],
        });
        read.push((fact, patterns.flatten().collect()));
    }
    if !FACTS.iter().any(|(key, _)| section.has(key)) {
        let keys: Vec<_> = FACTS.iter().map(|(key, _)| *key).collect();
        section.reject_whole(Bad::new(
            format!("one or more of the keys {}", keys.join(", ")),
            "say whom the policy is for; what is for everybody stands at the top level",
        ));
    }
    Match(read)
}

fn at_or_below(pattern: &str) -> Vec<Glob> {
    let pattern = pattern.trim_end_matches('/');
    vec![Glob::new(pattern), Glob::new(format!("{pattern}/*"))]
}

/// Whoever can choose to be under a policy must get nothing by it: nothing that the top level keeps, and nothing that a
/// policy below would have kept.
fn check_order(section: &Section<'_>, rule: &Rule, top: &Decisions, above: &[Rule]) {
    if !rule.name.is_empty() && above.iter().any(|other| other.name == rule.name) {
        let bad = Bad::new("each name once", "give one of the two another name");
        section.reject("name", bad);
    }
    if above.len() == MOST {
        section.reject_whole(Bad::new(format!("at most {MOST} policies"), "join some"));
    }
    let looser = rule.decisions.looser_than(top);
    if let (Some(key), Some(looser)) = (rule.who.self_chosen(), looser) {
        let allowed = format!(
            "a policy that matches by `{key}`, which a process can choose, only if it is nowhere looser than the top level; in `{looser}` it is"
        );
        let remedy = "match by uid, unit, cgroup, container, image, pod or namespace alone";
        section.reject("name", Bad::new(allowed, remedy));
    }
    for other in above {
        let said = other.decisions.looser_than(top).is_some();
        let looser = other.decisions.looser_than(&rule.decisions);
        if let (Some(key), Some(looser), false) = (other.who.self_chosen(), looser, said) {
            let allowed = format!(
                "below `{}`, to which a process can choose to belong by its `{key}`, only a policy that is nowhere stricter; in `{looser}` this one is",
                other.name
            );
            section.reject(
                "name",
                Bad::new(allowed, format!("put it above `{}`", other.name)),
            );
        }
    }
}

#[cfg(test)]
mod tests;
