//! What a request and its answer look like at either end: untouched, signed, growing, refused.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::upstream::Seen;
use interceptor_tests::{Agent, World};
use serde_json::{Value, json};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const CHAT: &str = "https://api.openai.com/v1/chat/completions";

/// Posts a body with curl and gives back the answer and what the provider saw.
fn post(world: &World, agent: &Agent<'_>, url: &str, body: &str) -> Result<(Value, Seen)> {
    let ran = world
        .client(&agent.bundle())
        .curl(["--data-binary", body, url])?;
    let answer = serde_json::from_str(&ran.stdout).with_context(|| format!("{ran:?}"))?;
    Ok((
        answer,
        world
            .upstream
            .record()
            .last()
            .context("the provider got nothing")?,
    ))
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

#[test]
fn a_request_in_which_nothing_is_found_arrives_byte_for_byte() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let body = "{ \"max_tokens\" : 9, \"temperature\":1.0,\r\n\t\"seed\":12345678901234567890, \"x\":1E+2,\"x\":-0.0,\
                \"model\":\"stub\",\"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9 \\/ é \\ud83d\\ude00\"}] }\n";
    for url in [MESSAGES, CHAT] {
        let (_, seen) = post(&world, &agent, url, body)?;
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
    }
    Ok(())
}

#[test]
fn numbers_beside_a_masked_value_keep_their_spelling() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let body = r#"{"t":1.0,"seed":12345678901234567890,"model":"stub","messages":[{"role":"user","content":"at 10.77.31.8"}]}"#;
    let (answer, seen) = post(&world, &agent, CHAT, body)?;
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        body.replace("10.77.31.8", "PRIVATE_IP_001")
    );
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: at 10.77.31.8"
    );
    Ok(())
}

#[test]
fn thinking_and_its_signature_pass_both_ways_unchanged() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let ask =
        json!({ "model": "stub-thinking", "max_tokens": 9, "messages": [user("at 10.77.31.8")] });
    let (answer, _) = post(&world, &agent, MESSAGES, &ask.to_string())?;
    // The provider thought of the token, and has signed what it thought.
    assert_eq!(
        answer["content"][0]["thinking"],
        "They said: at PRIVATE_IP_001"
    );
    assert_eq!(answer["content"][1]["text"], "You said: at 10.77.31.8");

    let thought =
        json!({ "type": "thinking", "thinking": "Not 10.1.1.1?", "signature": "Eq10.2.2.2==" });
    let reply = json!({ "role": "assistant", "content": [thought, { "type": "text", "text": "at 10.77.31.8" }] });
    let ask = json!({ "model": "stub", "max_tokens": 9, "messages": [user("at 10.77.31.8"), reply, user("go on")] });
    let (_, seen) = post(&world, &agent, MESSAGES, &ask.to_string())?;
    let content = &seen.json()["messages"][1]["content"];
    assert_eq!(content[0], thought);
    assert_eq!(content[1]["text"], "at PRIVATE_IP_001");
    Ok(())
}

#[test]
fn a_growing_conversation_keeps_the_tokens_of_its_earlier_turns() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let mut messages = Vec::new();
    let mut earlier = Vec::new();
    for turn in [
        "10.1.1.1 and 10.2.2.2",
        "10.3.3.3 and 10.1.1.1",
        "10.0.0.7 and 10.2.2.2",
        "10.3.3.3",
    ] {
        messages.push(user(turn));
        let ask = json!({ "model": "stub", "max_tokens": 9, "messages": messages });
        let (answer, seen) = post(&world, &agent, MESSAGES, &ask.to_string())?;
        let now = seen.json()["messages"]
            .as_array()
            .context("no messages")?
            .clone();
        assert_eq!(now[..earlier.len()], earlier);
        earlier = now;
        messages.push(json!({ "role": "assistant", "content": answer["content"] }));
    }
    assert!(
        earlier.last().context("no turns")?["content"].as_str() == Some("PRIVATE_IP_003"),
        "{earlier:?}"
    );
    Ok(())
}

#[test]
fn a_text_that_looks_like_a_token_stays_what_it_is() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let ask = json!({ "model": "stub", "messages": [user("PRIVATE_IP_001 is not 10.77.31.8")] });
    let (answer, seen) = post(&world, &agent, CHAT, &ask.to_string())?;
    let saw = seen.json()["messages"][0]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        saw.starts_with("PRIVATE_IP_001 is not PRIVATE_IP_") && !saw.ends_with("PRIVATE_IP_001"),
        "{saw}"
    );
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: PRIVATE_IP_001 is not 10.77.31.8"
    );
    Ok(())
}

#[test]
fn an_error_of_the_provider_says_the_value_that_the_client_sent() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    for url in [MESSAGES, CHAT] {
        let ask = json!({ "model": "stub-429", "messages": [user("at 10.77.31.8")] });
        let (answer, _) = post(&world, &agent, url, &ask.to_string())?;
        assert_eq!(answer["error"]["message"], "can't answer: at 10.77.31.8");
    }
    Ok(())
}

#[test]
fn a_known_path_that_needs_no_body_goes_without_one() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for http in ["--http1.1", "--http2"] {
        let url = "https://api.openai.com/v1/responses/resp_1/cancel";
        client.curl([http, "--request", "POST", url])?;
        let seen = world.upstream.record().last();
        let seen = seen.context("the provider got it")?;
        assert_eq!(
            (seen.method.as_str(), seen.body.len()),
            ("POST", 0),
            "{http}"
        );
    }
    Ok(())
}

#[test]
fn an_empty_body_in_frames_of_its_own_is_none() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let record = world.upstream.record();
    for http in ["--http1.1", "--http2"] {
        for (method, path) in [
            ("POST", "batches/batch_1/cancel"),
            ("GET", "models"),
            ("POST", "threads"),
        ] {
            let url = format!("https://api.openai.com/v1/{path}");
            // What comes from a pipe has no length: a last chunk, or an empty frame that ends the stream.
            client.curl([http, "--request", method, "--upload-file", "-", &url])?;
            let seen = record.last();
            let seen = seen.with_context(|| format!("the provider got no {method} {path}"))?;
            assert_eq!(
                (seen.method.as_str(), seen.target, seen.body.len()),
                (method, format!("/v1/{path}"), 0),
                "{http}"
            );
            record.clear();
        }
        let url = "https://api.openai.com/v1/models";
        let ran = client.curl([http, "--request", "GET", "--data", "i-0", url])?;
        assert!(ran.stdout.contains("this path takes no body"), "{ran:?}");
        assert_eq!(record.requests().len(), 0);
    }
    Ok(())
}

#[test]
fn an_unknown_path_is_refused_in_the_providers_shape_and_not_sent() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for (url, kind) in [
        ("https://api.anthropic.com/v9/new", "/error/type"),
        ("https://api.openai.com/v9/new", "/error/message"),
    ] {
        let (status, body, ran) = client.answer(["--data", "{}", url])?;
        assert!((400..500).contains(&status), "{ran:?}");
        assert!(
            serde_json::from_str::<Value>(&body)?
                .pointer(kind)
                .is_some(),
            "{body}"
        );
    }
    assert_eq!(world.upstream.record().requests().len(), 0);
    Ok(())
}

#[test]
fn modes_other_than_enforce_leave_the_request_alone() -> Result<()> {
    for mode in ["report-only", "dry-run"] {
        let world = World::new()?;
        let agent = Agent::start(
            &world,
            &Options {
                mode,
                ..Options::default()
            },
        )?;
        let ask = json!({ "model": "stub", "messages": [user("at 10.77.31.8")] }).to_string();
        let (answer, seen) = post(&world, &agent, CHAT, &ask)?;
        assert_eq!(String::from_utf8_lossy(&seen.body), ask, "{mode}");
        assert_eq!(
            answer["choices"][0]["message"]["content"], "You said: at 10.77.31.8",
            "{mode}"
        );
    }
    Ok(())
}

#[test]
fn the_log_says_who_it_was() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle()).uid(1000);
    let ran = client.curl(["--data", r#"{"model":"stub","messages":[]}"#, CHAT])?;
    let events = agent.exchanges_after(0)?;
    let [event] = &events[..] else {
        anyhow::bail!("{events:?}")
    };
    assert_eq!(
        (&event["pid"], &event["uid"], &event["comm"]),
        (&ran.pid.into(), &1000.into(), &"curl".into())
    );
    assert_eq!(event["cgroup"], world.cgroup.config_path());
    // A hash: the arguments themselves may hold a key.
    let command = event["command"].as_str().context("no command")?;
    assert!(command.len() == 16 && command.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(())
}
