//! An agent's conversation of two hundred turns, sent whole in each: what was masked in a turn stays as it is in all that follow,
//! so that providers' prompt caches hold, and is not looked at again.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::json;

const TURNS: usize = 200;

/// The values that a turn's text begins with: three new ones, an earlier one, and the first.
const VALUES: usize = 5;

/// Of the bytes of text in all requests, those that were looked at in an earlier turn.
const KNOWN: f64 = 0.98;

#[test]
fn two_hundred_turns_of_messages() -> Result<()> {
    replay("anthropic")
}

#[test]
fn two_hundred_turns_of_chat() -> Result<()> {
    replay("openai")
}

fn replay(api: &str) -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let ask = json!({ "api": api, "turns": TURNS, "dir": world.dir() });
    assert_eq!(client.python("conversation.py", &ask)?, TURNS, "{api}");

    let said = std::fs::read_to_string(world.dir().join("said.json"))?;
    let said: Vec<String> = serde_json::from_str(&said)?;
    let requests = world.upstream.record().requests();
    assert_eq!(requests.len(), TURNS);
    let mut tokens: HashMap<String, String> = HashMap::new();
    let mut earlier: &[u8] = b"{";
    for (turn, (text, seen)) in said.iter().zip(&requests).enumerate() {
        let body = seen.body.strip_suffix(b"]}").context("messages are last")?;
        assert!(body.starts_with(earlier), "turn {turn} of {api} changed");
        earlier = body;
        let masked = last_text(&seen.json());
        let masked = masked.with_context(|| format!("turn {turn} of {api} says nothing"))?;
        for (value, token) in text.split(' ').zip(masked.split(' ')).take(VALUES) {
            let known = tokens.entry(value.to_owned()).or_insert(token.to_owned());
            assert_eq!(known, token, "{value} in turn {turn} of {api}");
        }
        assert_eq!(masked.split(' ').nth(VALUES), Some("are"), "{masked}");
    }
    // Three a turn, each with a token of its own.
    assert_eq!(tokens.len(), 3 * TURNS);
    let mut given: Vec<_> = tokens.values().collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 3 * TURNS);
    let everything = world.upstream.record().everything();
    let everything = String::from_utf8_lossy(&everything);
    for part in ["10.1.", "i-0c4a1a57e9b3", "@corp-mail"] {
        assert!(!everything.contains(part), "{part}");
    }

    let known = known(&agent)?;
    println!(
        "{api}: {:.1} % of the text was known from earlier turns",
        known * 100.0
    );
    assert!(known > KNOWN, "{api}: {known}");
    Ok(())
}

/// The text of the newest message, wherever its maker has it.
fn last_text(body: &serde_json::Value) -> Option<String> {
    let content = &body["messages"].as_array()?.last()?["content"];
    let text = content.pointer("/0/content/0/text").unwrap_or(content);
    text.as_str().map(str::to_owned)
}

/// The share of text that needed no second look, as the metrics have it.
fn known(agent: &Agent<'_>) -> Result<f64> {
    let metrics = agent.metrics()?;
    let bytes = |result: &str| -> Result<f64> {
        let name = format!("interceptor_request_text_bytes_total{{result=\"{result}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        Ok(line
            .with_context(|| format!("{name} of:\n{metrics}"))?
            .parse()?)
    };
    let (known, new) = (bytes("known")?, bytes("new")?);
    Ok(known / (known + new))
}
