//! Whom a policy is for, which one counts, and what may not be said.

use super::*;
use crate::{config::Config, original_dst::Process};

fn who() -> Who {
    let some = |text: &str| Some(text.to_owned());
    let mut who = Who {
        process: Process {
            uid: 1000,
            comm: "curl".to_owned(),
            ..Process::default()
        },
        command: some("0123456789abcdef"),
        ..Who::default()
    };
    who.vouched.path = some("/ci.slice/runner.service");
    who.vouched.unit = some("runner.service");
    who.vouched.container = some("4f2c");
    who.container.image = some("registry.example/agents/coder:7");
    who.container.pod_name = some("coder-0");
    who.container.pod_namespace = some("agents");
    who
}

fn rules(toml: &str) -> Vec<Rule> {
    Config::parse(&format!("version = 1\n{toml}"))
        .unwrap()
        .policies
}

fn conditions(inline: &str) -> Match {
    let toml = format!("[[policies]]\nname = \"p\"\nmatch = {{ {inline} }}");
    rules(&toml).remove(0).who
}

#[test]
fn each_fact_is_met_by_any_of_its_patterns() {
    for (inline, expected) in [
        ("uid = [7, 1000]", true),
        ("uid = [100, 10000]", false),
        ("unit = [\"x.service\", \"run*.service\"]", true),
        ("unit = [\"runner\"]", false),
        ("cgroup = [\"/ci.slice\"]", true),
        ("cgroup = [\"/ci.slice/\"]", true),
        ("cgroup = [\"/ci.slice/runner.service\"]", true),
        ("cgroup = [\"/\"]", true),
        ("cgroup = [\"/*/runner.service\"]", true),
        ("cgroup = [\"/ci\"]", false),
        ("cgroup = [\"ci.slice\"]", false),
        ("container = [\"4f*\"]", true),
        ("image = [\"registry.example/agents/*\"]", true),
        ("image = [\"registry.example/agents\"]", false),
        ("pod = [\"coder-*\"]", true),
        ("namespace = [\"agents\"]", true),
        ("namespace = [\"agent\"]", false),
        ("comm = [\"curl\"]", true),
        ("command = [\"0123456789abcdef\"]", true),
        ("command = [\"0123456789abcdee\"]", false),
    ] {
        assert_eq!(conditions(inline).holds(&who()), expected, "{inline}");
    }
}

#[test]
fn all_conditions_have_to_hold() {
    assert!(conditions("uid = [1000], unit = [\"*\"]").holds(&who()));
    assert!(!conditions("uid = [1000], unit = [\"x\"]").holds(&who()));
    assert!(!conditions("uid = [1], unit = [\"*\"]").holds(&who()));
}

#[test]
fn what_is_not_known_meets_nothing() {
    let nobody = Who {
        process: Process {
            uid: u32::MAX,
            ..Process::default()
        },
        ..Who::default()
    };
    for (key, _) in FACTS
        .iter()
        .filter(|(key, _)| !["uid", "comm"].contains(key))
    {
        let anything = conditions(&format!("{key} = [\"*\"]"));
        assert!(!anything.holds(&nobody), "{key}");
        assert!(anything.holds(&who()), "{key}");
    }
    assert!(!conditions("uid = [0, 4294967294]").holds(&nobody));
}

#[test]
fn what_a_user_named_meets_nothing() {
    let mut who = who();
    who.group = std::mem::take(&mut who.vouched);
    for key in ["unit", "cgroup", "container"] {
        assert!(
            !conditions(&format!("{key} = [\"*\"]")).holds(&who),
            "{key}"
        );
    }
}

#[test]
fn a_policy_that_is_never_come_to_is_found() {
    let toml = |first: &str, second: &str| {
        format!(
            "[[policies]]\nname = \"a\"\nmatch = {{ {first} }}\n[[policies]]\nname = \"b\"\nmatch = {{ {second} }}"
        )
    };
    for (first, second, hidden) in [
        ("uid = [1, 2]", "uid = [2]", true),
        ("uid = [1]", "uid = [1, 2]", false),
        ("uid = [1]", "uid = [1], unit = [\"x\"]", true),
        ("uid = [1], unit = [\"x\"]", "uid = [1]", false),
        ("unit = [\"*.service\"]", "unit = [\"a*.service\"]", true),
        ("cgroup = [\"/a\"]", "cgroup = [\"/a/b\"]", true),
        ("cgroup = [\"/a/b\"]", "cgroup = [\"/a\"]", false),
        ("cgroup = [\"/a\"]", "cgroup = [\"/ab\"]", false),
    ] {
        let rules = rules(&toml(first, second));
        assert_eq!(!unreachable(&rules).is_empty(), hidden, "{first} {second}");
    }
}

fn decisions(toml: &str) -> Decisions {
    let toml = format!("[[policies]]\nname = \"p\"\nmatch.uid = [1]\n{toml}");
    rules(&toml).remove(0).decisions
}

#[test]
fn looser_is_where_more_can_leave() {
    let looser = |a: &str, b: &str| decisions(a).looser_than(&decisions(b));
    let order = |key: &str, from_strict: &[&str]| {
        for (at, strict) in from_strict.iter().enumerate() {
            for loose in &from_strict[at..] {
                let (strict, loose) = (format!("{key} = {strict}"), format!("{key} = {loose}"));
                let expected = (strict != loose).then(|| key.to_owned());
                assert_eq!(looser(&loose, &strict), expected, "{loose} {strict}");
                assert_eq!(looser(&strict, &loose), None, "{strict} {loose}");
            }
        }
    };
    order("mode", &["\"enforce\"", "\"report-only\""]);
    order("unknown_path", &["\"block\"", "\"report\"", "\"allow\""]);
    order("side_path", &["\"block\"", "\"allow\""]);
    order("unreadable", &["\"block\"", "\"report\"", "\"allow\""]);
    order(
        "classes.email",
        &["\"block\"", "\"mask\"", "\"report\"", "\"allow\""],
    );
    let (one, two) = (
        "[\"api.openai.com\"]",
        "[\"api.openai.com\", \"*.openai.azure.com\"]",
    );
    order("hosts", &[one, two]);
    assert_eq!(
        looser("", &format!("hosts = {two}")).as_deref(),
        Some("hosts")
    );
    assert_eq!(looser(&format!("hosts = {two}"), ""), None);
    // Neither masks.
    assert_eq!(looser("mode = \"dry-run\"", "mode = \"report-only\""), None);
    assert_eq!(looser("mode = \"report-only\"", "mode = \"dry-run\""), None);
    // What nobody wrote has its class's own action.
    assert_eq!(looser("classes.email = \"mask\"", ""), None);
    assert_eq!(looser("", "classes.email = \"mask\""), None);
    assert_eq!(
        looser("", "classes.email = \"block\"").as_deref(),
        Some("classes.email")
    );
}

#[test]
fn hosts_are_names_or_patterns_in_any_case() {
    let some = decisions("hosts = [\"API.OpenAI.com\", \"*.openai.azure.com\"]");
    for (host, expected) in [
        ("api.openai.com", true),
        ("corp.openai.azure.com", true),
        ("api.anthropic.com", false),
        ("openai.azure.com", false),
    ] {
        assert_eq!(some.allows(host), expected, "{host}");
        assert!(decisions("").allows(host));
    }
}
