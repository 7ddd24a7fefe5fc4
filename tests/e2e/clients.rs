//! curl, the Python SDKs and bare sockets, as they come: right answers, the original address, nothing upstream.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

const HOSTS: [(&str, &str, u8); 3] = [
    ("api.anthropic.com", "/v1/messages", 11),
    ("api.openai.com", "/v1/chat/completions", 12),
    ("llm.corp.example", "/v1/chat/completions", 13),
];

/// Quotes, a line break and a backslash: what goes wrong where JSON stands in JSON.
const TEXT: &str =
    "i-0c4a1a57e9b3d51f7 at 10.77.31.8 \"says\"\n\\ada.canary@corp-mail.example\\ é😀";
const MASKED: &str = "EC2_001 at PRIVATE_IP_001 \"says\"\n\\EMAIL_001\\ é😀";

fn body(model: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": TEXT }]);
    json!({ "model": model, "max_tokens": 9, "stream": stream, "messages": messages }).to_string()
}

fn assert_masked(world: &World) -> Result<()> {
    let record = world.upstream.record();
    for seen in record.requests() {
        assert_eq!(seen.json()["messages"][0]["content"], MASKED, "{seen:?}");
    }
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    Ok(())
}

#[test]
fn curl_of_any_user_over_each_http_and_ip_version() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let root = world.client(&agent.bundle());
    let nobody = root.clone().uid(65534);
    let mut calls = 0;
    for (host, path, n) in HOSTS {
        for http in ["--http1.1", "--http2"] {
            for (ip, peer) in [
                ("-4", format!("198.51.100.{n}")),
                ("-6", format!("2001:db8::{n}")),
            ] {
                for (client, stream) in [(&root, false), (&nobody, true)] {
                    let (data, url) = (body("stub", stream), format!("https://{host}{path}"));
                    let ran = client.curl([
                        http,
                        ip,
                        "--data",
                        &data,
                        "--write-out",
                        "\n%{remote_ip} %{remote_port}",
                        &url,
                    ])?;
                    let (answer, shown) = ran.stdout.rsplit_once('\n').context("no last line")?;
                    assert_eq!(
                        super::leaks::said(answer, stream),
                        format!("You said: {TEXT}"),
                        "{host} {http} {ip}"
                    );
                    assert_eq!(shown, format!("{peer} 443"));
                    calls += 1;
                }
            }
        }
    }
    assert_eq!(world.upstream.record().requests().len(), calls);
    agent.exchanges_after(calls - 1)?;
    let mut uids = agent.exchanges()?;
    uids.retain(|event| event["uid"] == 65534);
    assert_eq!(uids.len() * 2, calls, "half of them were nobody's");
    assert_masked(&world)
}

#[test]
fn tool_calls_come_back_with_values_as_valid_json() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for (host, path, _) in HOSTS {
        for http in ["--http1.1", "--http2"] {
            for (model, stream) in [
                ("stub-tool", false),
                ("stub-tool", true),
                ("stub-tool-cut", true),
            ] {
                let url = format!("https://{host}{path}");
                let ran = client.curl([http, "--data", &body(model, stream), &url])?;
                let arguments: Value = serde_json::from_str(&arguments(&ran.stdout))
                    .with_context(|| format!("{host} {model} {ran:?}"))?;
                assert_eq!(
                    arguments,
                    json!({ "text": TEXT }),
                    "{host} {http} {model} {stream}"
                );
            }
        }
    }
    assert_masked(&world)
}

/// The pieces of the tool call of an answer of either provider, one after another.
fn arguments(answer: &str) -> String {
    let documents = answer
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line));
    let documents = documents.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    documents
        .filter_map(|value| {
            let piece = [
                "/delta/partial_json",
                "/choices/0/delta/tool_calls/0/function/arguments",
                "/choices/0/message/tool_calls/0/function/arguments",
            ];
            let piece = piece
                .iter()
                .find_map(|pointer| value.pointer(pointer)?.as_str());
            let whole = || Some(value.pointer("/content/0/input")?.to_string());
            piece.map(str::to_owned).or_else(whole)
        })
        .collect()
}

#[test]
fn a_stream_that_is_an_array_comes_item_by_item() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": TEXT }] }] });
    for (http, model) in [("--http1.1", "stub-cut"), ("--http2", "stub-slow")] {
        let url = format!(
            "https://generativelanguage.googleapis.com/v1beta/models/{model}:streamGenerateContent"
        );
        let ran = client.curl([http, "--no-buffer", "--data", &body.to_string(), &url])?;
        let chunks: Vec<Value> =
            serde_json::from_str(&ran.stdout).with_context(|| format!("{ran:?}"))?;
        let text = |chunk: &Value| {
            let text = chunk.pointer("/candidates/0/content/parts/0/text");
            text.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let said: String = chunks.iter().map(text).collect();
        assert_eq!(said, format!("You said: {TEXT}"), "{http}");
        assert!(chunks.len() > 5, "{chunks:?}");
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

/// What has no name of its own is named in the config.
fn named(protocol: &str) -> Options {
    let tables = format!("[[hosts]]\nhost = \"www.example.com\"\nprotocol = \"{protocol}\"");
    Options {
        tables,
        ..Options::default()
    }
}

#[test]
fn lines_of_json_come_one_by_one() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &named("ollama"))?;
    let client = world.client(&agent.bundle());
    for (model, stream) in [("stub", true), ("stub-cut", true), ("stub", false)] {
        let url = "https://www.example.com/api/chat";
        let ran = client.curl(["--data", &body(model, stream), url])?;
        let lines = ran.stdout.lines().map(serde_json::from_str::<Value>);
        let lines: Vec<Value> = lines.collect::<Result<_, _>>()?;
        let text = |line: &Value| {
            line["message"]["content"]
                .as_str()
                .unwrap_or("?")
                .to_owned()
        };
        let said: String = lines.iter().map(text).collect();
        assert_eq!(said, format!("You said: {TEXT}"), "{model} {stream}");
        assert_eq!(lines.len() > 1, stream);
    }
    assert_masked(&world)
}

#[test]
fn a_tool_over_mcp_is_called_with_tokens_and_answers_with_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &named("mcp"))?;
    let client = world.client(&agent.bundle());
    let arguments = json!({ "text": TEXT, "id": "10.77.31.8" });
    let call = json!({ "jsonrpc": "2.0", "id": 4_111_111_111_111_111_u64, "method": "tools/call",
        "params": { "name": "echo", "arguments": arguments } });
    let ran = client.curl(["--data", &call.to_string(), "https://www.example.com/mcp"])?;
    let events = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let [progress, answer] = &events[..] else {
        anyhow::bail!("{ran:?}");
    };
    let said = format!("You said: {TEXT}");
    assert_eq!(progress["params"]["message"], said);
    assert_eq!(answer["id"], call["id"]);
    assert_eq!(answer["result"]["content"][0]["text"], said);
    assert_eq!(answer["result"]["structuredContent"], arguments);
    let record = world.upstream.record();
    let seen = record.last().context("the server got it")?.json();
    assert_eq!(seen["params"]["arguments"]["text"], MASKED);
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    Ok(())
}

#[test]
fn python_sdks_over_each_http_version() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for script in ["anthropic_sdk.py", "openai_sdk.py"] {
        for (http2, version) in [
            (false, http::Version::HTTP_11),
            (true, http::Version::HTTP_2),
        ] {
            // Texts go that way in the leak tests.
            let ask =
                json!({ "model": "stub-tool-cut", "text": TEXT, "stream": http2, "http2": http2 });
            let got = client.python(script, &ask)?;
            assert_eq!(got["tool"], json!({ "text": TEXT }), "{script} {ask}");
            let seen = world
                .upstream
                .record()
                .last()
                .context("the provider got it")?;
            assert_eq!(seen.version, version);
        }
    }
    assert_masked(&world)
}

#[test]
fn a_connection_that_is_kept_serves_one_call_after_another() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let data = body("stub", true);
    for http in ["--http1.1", "--http2"] {
        let call = [
            http,
            "--data",
            &data,
            "--write-out",
            "%{num_connects} ",
            "https://api.anthropic.com/v1/messages",
        ];
        let ran = client.curl(call.iter().chain(&["--next", "--silent"]).chain(&call))?;
        assert!(
            ran.stdout.contains("1 event:") && ran.stdout.ends_with("0 "),
            "{ran:?}"
        );
        let said = super::leaks::said(&ran.stdout, true);
        assert_eq!(said, format!("You said: {TEXT}").repeat(2));
    }
    assert_eq!(world.upstream.record().connections(), 2, "one a version");
    assert_masked(&world)
}

#[test]
fn curl_with_tcp_fast_open() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // TCP_FASTOPEN_CONNECT: connect() returns before anything was sent. The second time there may be a cookie.
    for ip in ["-4", "-6", "-4", "-6"] {
        let url = "https://api.anthropic.com/v1/messages";
        let ran = client.curl([ip, "--tcp-fastopen", "--data", &body("stub", false), url])?;
        assert_eq!(
            super::leaks::said(&ran.stdout, false),
            format!("You said: {TEXT}"),
            "{ran:?}"
        );
    }
    assert_masked(&world)
}

#[test]
fn a_host_is_the_same_host_in_capitals() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw
for name in ('API.Anthropic.COM', 'api.anthropic.com'):
    print(raw.exchange(raw.tls(raw.connect('v4'), name), raw.request('at 10.77.31.8', name)))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said.matches("You said: at 10.77.31.8").count(), 2, "{said}");
    let seen = world.upstream.record().requests();
    assert!(
        seen.iter()
            .all(|seen| seen.json()["messages"][0]["content"] == "at PRIVATE_IP_001")
    );
    Ok(())
}
