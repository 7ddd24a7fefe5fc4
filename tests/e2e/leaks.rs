//! A canary of every class, through every client, coding, chunking and framing: the provider's bytes hold none.

mod bodies;
mod matrix;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

use self::bodies::texts;

const HOSTS: [(&str, &str); 2] = [
    ("api.anthropic.com", "/v1/messages"),
    ("api.openai.com", "/v1/chat/completions"),
];

/// A message with a block a canary, so that no text lends another its context.
fn body(stream: bool) -> Value {
    let blocks: Vec<_> = texts()
        .iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let messages = json!([{ "role": "user", "content": blocks }]);
    json!({ "model": "stub", "max_tokens": 9, "stream": stream, "messages": messages })
}

fn reply() -> String {
    format!("You said: {}", texts().join("\n"))
}

fn assert_nothing_leaked(world: &World, agent: &Agent<'_>) -> Result<()> {
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0],
        "what the provider got"
    );
    // The log is written behind the exchanges.
    agent.exchanges_after(world.upstream.record().requests().len() - 1)?;
    assert_eq!(canary::leaks(agent.log()?.as_bytes()), [""; 0], "the log");
    assert_eq!(
        canary::leaks(agent.metrics()?.as_bytes()),
        [""; 0],
        "the metrics"
    );
    Ok(())
}

#[test]
fn curl_over_each_http_version_plain_and_streaming() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for (host, path) in HOSTS {
        for http in ["--http1.1", "--http2"] {
            for stream in [false, true] {
                let file = world.dir().join("body.json");
                std::fs::write(&file, body(stream).to_string())?;
                let data = format!("@{}", file.display());
                let ran = client.curl([
                    http,
                    "--data-binary",
                    &data,
                    &format!("https://{host}{path}"),
                ])?;
                assert_eq!(
                    said(&ran.stdout, stream),
                    reply(),
                    "{host} {http} {stream} {}",
                    ran.stderr
                );
            }
        }
    }
    assert_eq!(world.upstream.record().requests().len(), 8);
    assert_nothing_leaked(&world, &agent)
}

#[test]
fn every_coding_chunking_and_escaping_of_a_request() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let texts = json!(texts()).to_string();
    std::fs::write(world.dir().join("texts.json"), texts)?;
    let code = format!(
        r#"
import json, raw
texts = json.load(open("{}/texts.json"))
reply = "You said: " + "\n".join(texts)
for host, path, answer in (
    ("api.anthropic.com", "/v1/messages", lambda body: body["content"][0]["text"]),
    ("api.openai.com", "/v1/chat/completions", lambda body: body["choices"][0]["message"]["content"]),
):
    for write in (json.dumps, raw.escaped):
        blocks = ",".join('{{"type":"text","text":%s}}' % write(text) for text in texts)
        body = '{{"model":"stub","max_tokens":9,"messages":[{{"role":"user","content":[%s]}}]}}' % blocks
        for coding in (None, "gzip", "deflate"):
            for chunk in (None, 7, 1000):
                status, said = raw.post(host, path, body.encode(), coding, chunk)
                right = status == 200 and answer(json.loads(said)) == reply
                print(host, write.__name__, coding, chunk, "right" if right else said)
"#,
        world.dir().display()
    );
    let said = world.client(&agent.bundle()).code(&code)?;
    let wrong: Vec<_> = said
        .lines()
        .filter(|line| !line.ends_with(" right"))
        .collect();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(world.upstream.record().requests().len(), 36);
    assert_nothing_leaked(&world, &agent)
}

#[test]
fn python_sdks_plain_streaming_and_with_tools() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let text = texts().join("\n\n");
    for script in ["anthropic_sdk.py", "openai_sdk.py"] {
        for stream in [false, true] {
            let said = client.python(
                script,
                &json!({ "model": "stub", "text": text, "stream": stream }),
            )?;
            assert_eq!(
                said["text"],
                format!("You said: {text}"),
                "{script} {stream}"
            );
            let called = client.python(
                script,
                &json!({ "model": "stub-tool-cut", "text": text, "stream": stream }),
            )?;
            assert_eq!(called["tool"]["text"], text, "{script} {stream}");
        }
    }
    assert_nothing_leaked(&world, &agent)
}

/// The text of an answer of either provider.
pub fn said(answer: &str, stream: bool) -> String {
    let pointers: &[&str] = if stream {
        &["/delta/text", "/choices/0/delta/content"]
    } else {
        &["/content/0/text", "/choices/0/message/content"]
    };
    let documents = answer
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line));
    documents
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|value| {
            pointers
                .iter()
                .find_map(|pointer| value.pointer(pointer)?.as_str().map(str::to_owned))
        })
        .collect()
}
