//! What policy says: modes, actions by class, and paths of which nothing is known.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8 of ada.canary@corp-mail.example";

fn ask(text: &str) -> String {
    // Spaces that a writer of JSON would not write.
    format!(
        r#"{{ "model":"stub",  "max_tokens":9, "messages":[{{"role":"user","content":"{text}"}}] }}"#
    )
}

fn options(mode: &'static str, tables: &str) -> Options {
    Options {
        mode,
        tables: tables.to_owned(),
        ..Options::default()
    }
}

fn post(world: &World, agent: &Agent<'_>, url: &str, body: &str) -> Result<Ran> {
    world.client(&agent.bundle()).curl([
        "--data-binary",
        body,
        "--write-out",
        "\n%{http_code}",
        url,
    ])
}

/// Status and body.
fn answer(ran: &Ran) -> Result<(u16, Value)> {
    let (body, status) = ran.stdout.rsplit_once('\n').context("no status")?;
    Ok((
        status.parse()?,
        serde_json::from_str(body).with_context(|| format!("{ran:?}"))?,
    ))
}

#[test]
fn where_nothing_is_enforced_bytes_pass_and_findings_are_told() -> Result<()> {
    for mode in ["report-only", "dry-run"] {
        let world = World::new()?;
        // Not even a class to block is blocked.
        let agent = Agent::start(&world, &options(mode, "[mask.classes]\nemail = \"block\""))?;
        for body in [ask(TEXT), "{ not JSON ".to_owned() + TEXT] {
            post(&world, &agent, MESSAGES, &body)?;
            let seen = world
                .upstream
                .record()
                .last()
                .context("the provider got it")?;
            assert_eq!(String::from_utf8_lossy(&seen.body), body, "{mode}");
        }
        post(
            &world,
            &agent,
            "https://api.anthropic.com/v9/complete",
            &ask(TEXT),
        )?;
        assert_eq!(
            world.upstream.record().requests().len(),
            3,
            "an unknown path passes too"
        );
        let events = agent.exchanges_after(2)?;
        assert_eq!(events[0]["status"], 404, "the stub's own answer");
        let told = &agent.exchanges()?[0]["findings"];
        let told: std::collections::BTreeSet<_> =
            told.as_str().context("findings")?.split(',').collect();
        assert_eq!(
            told,
            ["ec2_instance=1", "email=1", "private_ip=1"].into(),
            "{mode}"
        );
        let metrics = agent.metrics()?;
        assert!(
            metrics.contains("interceptor_findings_total{class=\"email\"}"),
            "{metrics}"
        );
        let told = agent.log()? + &metrics;
        assert_eq!(canary::leaks(told.as_bytes()), [""; 0], "{mode}");
    }
    Ok(())
}

#[test]
fn each_class_has_its_own_action() -> Result<()> {
    let world = World::new()?;
    let classes =
        "[mask.classes]\nemail = \"block\"\nprivate_ip = \"allow\"\nec2_instance = \"report\"";
    let agent = Agent::start(&world, &options("enforce", classes))?;
    let text = "i-0c4a1a57e9b3d51f7 at 10.77.31.8 of vpc-0c4a1a57e9b3d51f7";
    let (status, said) = answer(&post(&world, &agent, MESSAGES, &ask(text))?)?;
    assert_eq!(
        (status, &said["content"][0]["text"]),
        (200, &format!("You said: {text}").into())
    );
    let seen = world
        .upstream
        .record()
        .last()
        .context("the provider got it")?;
    assert_eq!(
        seen.json()["messages"][0]["content"],
        "i-0c4a1a57e9b3d51f7 at 10.77.31.8 of VPC_001"
    );
    let told = agent.exchanges_after(0)?[0]["findings"].clone();
    assert_eq!(
        told, "ec2_instance=1,vpc=1",
        "what is allowed is not looked for"
    );

    let (status, refused) = answer(&post(&world, &agent, MESSAGES, &ask(TEXT))?)?;
    assert_eq!(
        (status, &refused["error"]["type"]),
        (403, &"permission_error".into())
    );
    let message = refused["error"]["message"].as_str().context("a message")?;
    assert!(
        message.contains("email") && message.contains("Remove the value"),
        "{message}"
    );
    assert!(!message.contains("ada.canary"), "{message}");
    assert_eq!(
        world.upstream.record().requests().len(),
        1,
        "the second was not sent"
    );
    assert_eq!(agent.exchanges_after(1)?[0]["refused"], "blocked_class");
    Ok(())
}

#[test]
fn paths_of_which_nothing_is_known_pass_masked_or_not_at_all() -> Result<()> {
    for (policy, passes) in [("block", false), ("report", true), ("allow", true)] {
        let world = World::new()?;
        let tables = format!("[mask]\nunknown_path = \"{policy}\"\nside_path = \"allow\"");
        let agent = Agent::start(&world, &options("enforce", &tables))?;
        let url = "https://api.openai.com/v9/speech";
        let ran = post(
            &world,
            &agent,
            url,
            &json!({ "input": TEXT, "n": 1.0 }).to_string(),
        )?;
        assert_eq!(
            answer(&ran)?.0,
            if passes { 404 } else { 403 },
            "{policy} {ran:?}"
        );
        let side = "https://api.anthropic.com/api/event_logging/v2/batch";
        post(&world, &agent, side, &json!({ "note": TEXT }).to_string())?;
        let seen = world.upstream.record().requests();
        assert_eq!(seen.len(), if passes { 2 } else { 1 }, "{policy}");
        for seen in &seen {
            let body = String::from_utf8_lossy(&seen.body);
            assert!(
                body.contains("EC2_001 at PRIVATE_IP_001 of EMAIL_001"),
                "{body}"
            );
        }
        assert_eq!(
            canary::leaks(&world.upstream.record().everything()),
            [""; 0],
            "{policy}"
        );
        agent.exchanges_after(1)?;
        let said = agent.log()?.contains("let through by policy");
        assert_eq!(said, policy == "report");
        // What can't be read can't be masked, whatever the policy.
        let before = seen.len();
        let ran = post(&world, &agent, url, TEXT)?;
        assert!([400, 403].contains(&answer(&ran)?.0), "{policy} {ran:?}");
        assert_eq!(world.upstream.record().requests().len(), before, "{policy}");
    }
    Ok(())
}
