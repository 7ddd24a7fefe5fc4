//! A conversation that only grows, signed blocks in it, and texts that look like tokens.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

use super::{CHAT, MESSAGES, post_file};

#[test]
fn twenty_turns_keep_every_byte_of_the_turns_before() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let anthropic = r#""system":"you are on 10.0.0.2","tools":[{"name":"t","description":"of 10.0.0.1","input_schema":{"type":"object"}}],"messages":["#;
    let openai = r#""messages":[{"role":"system","content":"you are on 10.0.0.2"},"#;
    for (url, open) in [(MESSAGES, anthropic), (CHAT, openai)] {
        let open = format!(r#"{{"model":"stub","max_tokens":9,{open}"#);
        let (mut sent, mut earlier) = (open, String::new());
        for turn in 0..20 {
            // A new value, one that was said two turns ago, and one of another class.
            let (new, old) = (turn + 10, (turn + 8).max(10));
            let text = format!("10.0.1.{new} beside 10.0.1.{old} and i-0c4a1a57e9b3d5{new:03x}");
            let reply = json!({ "role": "assistant", "content": format!("You said: {text}") });
            let user = json!({ "role": "user", "content": text });
            sent.push_str(if turn == 0 { "" } else { "," });
            sent.push_str(&format!("{user}"));
            // What changes from call to call stands behind, and holds a value too.
            let body =
                format!(r#"{sent}],"metadata":{{"user_id":"call {turn} of 10.9.9.{turn}"}}}}"#);
            let got = String::from_utf8(post_file(&client, &world, body.as_bytes(), &[url])?)?;
            assert!(
                got.starts_with(&earlier),
                "turn {turn} of {url}\nwas {earlier}\nnow {got}"
            );
            assert!(!got.contains("10.0.") && !got.contains("10.9.9"), "{got}");
            earlier = got
                .split("],\"metadata\"")
                .next()
                .context("a body")?
                .to_owned();
            sent.push_str(&format!(",{reply}"));
        }
        assert!(
            earlier.contains("PRIVATE_IP_021") && earlier.contains("EC2_020"),
            "{earlier}"
        );
    }
    Ok(())
}

#[test]
fn signed_blocks_pass_both_ways_with_whatever_they_hold() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let texts: Vec<_> = canary::all()
        .iter()
        .map(|canary| canary.text.as_str())
        .collect();
    // What is opaque is base64; some keys are too.
    let is_base64 = |value: &&str| {
        value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte))
    };
    let values: Vec<_> = canary::all()
        .iter()
        .map(|canary| canary.value.as_str())
        .filter(is_base64)
        .collect();
    assert!(values.len() > 50, "{values:?}");
    let signed = json!([
        { "type": "thinking", "thinking": texts.join(" "), "signature": values.join("/") },
        { "type": "redacted_thinking", "data": values.join("+") },
        { "type": "text", "text": "at 10.77.31.8" },
    ]);
    let body = json!({ "model": "stub-thinking-redacted", "max_tokens": 9, "messages": [
        { "role": "assistant", "content": signed }, { "role": "user", "content": "at 10.77.31.8" },
    ] });
    let got: Value = serde_json::from_slice(&post_file(
        &client,
        &world,
        body.to_string().as_bytes(),
        &[MESSAGES],
    )?)?;
    let content = &got["messages"][0]["content"];
    assert_eq!((&content[0], &content[1]), (&signed[0], &signed[1]));
    assert_eq!(content[2]["text"], "at PRIVATE_IP_001");

    let signature = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+stub/signature==";
    for (model, stream) in [
        ("stub-thinking-redacted", false),
        ("stub-thinking-redacted-cut", true),
    ] {
        let ask = json!({ "model": model, "text": "at 10.77.31.8", "stream": stream });
        let got = client.python("anthropic_sdk.py", &ask)?;
        assert_eq!(got["thinking"], "They said: at PRIVATE_IP_001", "{ask}");
        assert_eq!(got["redacted"], "They said: at PRIVATE_IP_001", "{ask}");
        assert_eq!(got["text"], "You said: at 10.77.31.8", "{ask}");
        assert_eq!(got["signature"], signature, "{ask}");
    }
    Ok(())
}

#[test]
fn literals_that_look_like_tokens_stay_themselves() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let texts = [
        "PRIVATE_IP_001 is not 10.77.31.8",
        "10.77.31.8 is not PRIVATE_IP_001",
        "PRIVATE_IP_001, PRIVATE_IP_002, 10.77.31.8, EC2_001, i-0c4a1a57e9b3d51f7, PRIVATE_IP_003",
        "only EC2_001 and EMAIL_007",
    ];
    for url in [MESSAGES, CHAT] {
        for text in texts {
            for stream in [false, true] {
                let messages = json!([{ "role": "user", "content": text }]);
                let body = json!({ "model": "stub-cut", "max_tokens": 9, "stream": stream, "messages": messages }).to_string();
                let ran = client.curl(["--data", &body, url])?;
                assert_eq!(
                    crate::leaks::said(&ran.stdout, stream),
                    format!("You said: {text}"),
                    "{url}"
                );
                let seen = world
                    .upstream
                    .record()
                    .last()
                    .context("the provider got nothing")?
                    .json();
                let seen = seen["messages"][0]["content"]
                    .as_str()
                    .context("a text")?
                    .to_owned();
                assert!(!seen.contains("10.77") && !seen.contains("i-0c"), "{seen}");
                let unchanged = !text.contains("10.77");
                assert_eq!(seen == text, unchanged, "{seen}");
            }
        }
    }
    Ok(())
}
