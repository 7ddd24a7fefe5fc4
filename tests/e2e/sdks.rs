//! The vendors' own SDKs, direct and through the agent: both times the same results, and, of streams, the same kinds of
//! events in the same order.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Client, World, canary};
use serde_json::{Value, json};

/// Quotes, a line break and a backslash: what goes wrong where JSON stands in JSON.
const TEXT: &str =
    "i-0c4a1a57e9b3d51f7 at 10.77.31.8 \"says\"\n\\ada.canary@corp-mail.example\\ é😀";

/// Models that the stub reads its knobs from, and whether the answer is a stream.
const CALLS: [(&str, bool); 5] = [
    ("stub", false),
    ("stub", true),
    ("stub-cut", true),
    ("stub-tool", false),
    ("stub-tool-cut", true),
];

#[test]
fn pythons_see_what_they_see_without_us() -> Result<()> {
    let sdks = [
        "messages",
        "chat",
        "responses",
        "azure",
        "gemini",
        "vertex",
        "cohere",
    ];
    same(&sdks, |client, ask| client.python("more_sdks.py", ask))
}

#[test]
fn nodes_see_what_they_see_without_us() -> Result<()> {
    let sdks = ["messages", "chat", "responses", "gemini"];
    same(&sdks, |client, ask| client.node("node_sdks.cjs", ask))
}

#[test]
fn realtime_sessions_are_what_they_are_without_us() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    let texts = [TEXT.to_owned(), format!("again {TEXT}")];
    let run = |client: &Client<'_>, by: &str| {
        let ask = json!({ "by": by, "texts": texts });
        match by {
            "node" => client.node("realtime_sdk.cjs", &ask),
            _ => client.python("realtime_sdk.py", &ask),
        }
    };
    for by in ["websockets", "openai", "node"] {
        let expected = run(&direct, by)?;
        world.upstream.record().clear();
        let got = run(&client, by)?;
        assert_eq!(got, expected, "{by}");
        let said = texts.each_ref().map(|text| format!("You said: {text}"));
        assert_eq!(got["deltas"], said.concat(), "{by}");
        assert_eq!(got["whole"][1][0]["content"][0]["text"], said[1], "{by}");
        assert_eq!(got["instructions"], TEXT, "{by}");
        assert_masked(&world, 6, by);
    }
    Ok(())
}

#[test]
fn files_and_batches_go_as_they_go_without_us() -> Result<()> {
    let world = World::new()?;
    write_files(&world)?;
    let agent = Agent::start(&world, &Options::default())?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    for (sdk, requests) in [("openai", 4), ("anthropic", 3)] {
        for language in [python, node] {
            let expected = language(&direct, &files(&world, sdk))?;
            world.upstream.record().clear();
            let got = language(&client, &files(&world, sdk))?;
            assert_eq!(got, expected, "{sdk}");
            assert_eq!(got[0]["name"], "10.77.31.8.csv", "{sdk} {got}");
            assert_eq!(got[0]["content"], REPORT, "{sdk}");
            assert_masked(&world, requests, sdk);
        }
    }
    Ok(())
}

#[test]
fn a_file_in_pieces_is_refused_in_words_that_sdks_read_unless_policy_lets_it_pass() -> Result<()> {
    let world = World::new()?;
    write_files(&world)?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for language in [python, node] {
        let got = language(&client, &files(&world, "uploads"))?;
        assert_eq!(got["status"], 415, "{got}");
        assert_eq!(got["body"]["code"], "unreadable", "{got}");
    }
    let record = world.upstream.record();
    let paths: Vec<_> = record
        .requests()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(paths, ["/v1/uploads"; 2], "no piece");
    drop(agent);

    let options = Options {
        tables: "[mask]\nunreadable = \"report\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    for language in [python, node] {
        let expected = language(&direct, &files(&world, "uploads"))?;
        record.clear();
        assert_eq!(language(&client, &files(&world, "uploads"))?, expected);
        assert_eq!(expected[1], REPORT, "{expected}");
        assert_masked(&world, 3, "uploads");
    }
    Ok(())
}

const REPORT: &str = "host,id,who\r\na,i-0c4a1a57e9b3d51f7,ada.canary@corp-mail.example\r\n";

fn write_files(world: &World) -> Result<()> {
    let line = |id: u32| {
        let messages = json!([{ "role": "user", "content": TEXT }]);
        let body =
            json!({ "model": "stub", "seed": 4_111_111_111_111_111_u64, "messages": messages });
        json!({ "custom_id": format!("a-{id}"), "method": "POST", "url": "/v1/chat/completions", "body": body })
    };
    let lines = format!("{}\n{}\n", line(1), line(2));
    std::fs::write(world.dir().join("10.77.31.8.csv"), REPORT)?;
    std::fs::write(world.dir().join("batch.jsonl"), lines)?;
    Ok(())
}

fn files(world: &World, sdk: &str) -> Value {
    json!({ "sdk": sdk, "text": TEXT, "dir": world.dir() })
}

fn python(client: &Client<'_>, ask: &Value) -> Result<Value> {
    client.python("files_sdk.py", ask)
}

fn node(client: &Client<'_>, ask: &Value) -> Result<Value> {
    client.node("files_sdk.cjs", ask)
}

/// The provider got so many requests at least, tokens in them, and no value.
fn assert_masked(world: &World, requests: usize, what: &str) {
    let record = world.upstream.record();
    assert!(record.requests().len() >= requests, "{what}");
    let everything = record.everything();
    assert!(
        String::from_utf8_lossy(&everything).contains("EMAIL_001"),
        "{what}"
    );
    assert_eq!(canary::leaks(&everything), [""; 0], "{what}");
}

fn same(sdks: &[&str], run: fn(&Client<'_>, &Value) -> Result<Value>) -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    for sdk in sdks {
        let asked = CALLS.map(|(model, stream)| json!({ "model": model, "stream": stream }));
        let ask = json!({ "sdk": sdk, "text": TEXT, "calls": asked });
        let expected = run(&direct, &ask)?;
        world.upstream.record().clear();
        let got = run(&client, &ask)?;
        assert_eq!(got, expected, "{sdk}");
        for (at, (model, stream)) in CALLS.iter().enumerate() {
            let told = match model.contains("tool") {
                true => got[at]["tool"]["text"] == TEXT,
                false => got[at]["text"] == format!("You said: {TEXT}"),
            };
            assert!(told, "{sdk} {model} {got}");
            let kinds = got[at]["kinds"].as_array().map_or(0, Vec::len);
            assert!(!stream || kinds > 0, "{sdk} {model} {got}");
        }
        let record = world.upstream.record();
        let requests = record.requests();
        assert_eq!(requests.len(), CALLS.len(), "{sdk}");
        for seen in requests {
            let seen = seen.json().to_string();
            assert!(seen.contains("EC2_001 at PRIVATE_IP_001"), "{seen}");
        }
        assert_eq!(canary::leaks(&record.everything()), [""; 0], "{sdk}");
    }
    Ok(())
}
