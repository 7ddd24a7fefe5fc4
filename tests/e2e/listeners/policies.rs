//! Policies and the audit: a listener's clients are known by their user.

use anyhow::{Context as _, Result};
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

use super::{MASKED, PROXY, TEXT, call, loopback};

const ANTHROPIC: &str = "https://api.anthropic.com/v1/messages";

#[test]
fn who_comes_to_a_listener_is_under_a_policy_and_in_the_audit() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let file = world.dir().join("audit.jsonl");
    let mut options = loopback("");
    options.tables += &format!(
        r#"
[[policies]]
name = "watched"
match.uid = [1001]
mode = "report-only"
[[policies]]
name = "confined"
match.uid = [1002]
hosts = ["api.openai.com"]
[audit]
file = {file:?}
"#
    );
    let agent = Agent::start(&world, &options)?;
    let client = |uid| world.client(&agent.bundle()).uid(uid);
    let base = "http://127.0.0.1:15480/api.anthropic.com/v1/messages";
    let seen = || -> Result<Value> {
        let last = world.upstream.record().last().context("nothing came")?;
        Ok(last.json()["messages"][0]["content"].clone())
    };
    for (proxy, url) in [(PROXY, ANTHROPIC), ("", base)] {
        call(&client(1000), ["-x", proxy], url)?;
        assert_eq!(seen()?, MASKED);
        call(&client(1001), ["-x", proxy], url)?;
        assert_eq!(seen()?, TEXT);
        let before = world.upstream.record().requests().len();
        let ran = call(&client(1002), ["-x", proxy], url)?;
        let refusal = "does not let this process call this host";
        assert!(ran.stdout.contains(refusal), "{ran:?}\n{}", agent.log()?);
        assert_eq!(world.upstream.record().requests().len(), before);
    }
    let other = call(&client(1000), ["-x", PROXY], "https://www.example.org/")?;
    assert!(!other.status.success(), "{other:?}");

    agent.exchanges_after(5)?;
    let records = super::super::audit::records(&file, 7)?;
    let told: Vec<_> = records
        .iter()
        .map(|record| json!([record["who"]["uid"], record["policy"], record["refused"]]))
        .collect();
    let once = [
        json!([1000, "default", null]),
        json!([1001, "watched", null]),
        json!([1002, "confined", "host_not_allowed"]),
    ];
    assert_eq!(told[..3], once);
    assert_eq!(told[3..6], once);
    assert_eq!(told[6], json!([1000, null, "other_host"]));
    assert_eq!(records[6]["by"], "listener");
    let told = std::fs::read_to_string(&file)? + &agent.log()?;
    assert_eq!(canary::leaks(told.as_bytes()), [""; 0]);
    Ok(())
}
