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
