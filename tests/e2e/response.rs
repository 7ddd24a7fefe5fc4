//! What an answer has that is sensitive by itself: counted, masked, or the end of the answer.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::{Value, json};

use crate::{audit::records, leaks::said};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const CHAT: &str = "https://api.openai.com/v1/chat/completions";
const KEY: &str = concat!("AKIA", "Z3QWXLV5RPT7NBSD");

fn options(response: &str, file: &std::path::Path) -> Options {
    Options {
        tables: format!("[response]\n{response}\n[audit]\nfile = {file:?}"),
        ..Options::default()
    }
}

/// Asks a model that says a text from its end on; at 10.77.31.8 is masked, and comes back in a text of its own.
fn ask(model: &str, stream: bool) -> String {
    let text: String = format!("the key is {KEY} today").chars().rev().collect();
    let messages = json!([{ "role": "user", "content": text }]);
    json!({ "model": model, "max_tokens": 9, "stream": stream, "messages": messages }).to_string()
}

#[test]
fn a_key_that_the_model_prints_is_masked_counted_and_recorded() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(&world, &options("secrets = \"mask\"", &file))?;
    let client = world.client(&agent.bundle());
    for url in [MESSAGES, CHAT] {
        for (model, stream) in [
            ("stub-reversed", false),
            ("stub-reversed", true),
            ("stub-reversed-gzip", true),
            ("stub-reversed-cut", true),
        ] {
            let ran = client.curl(["--data", &ask(model, stream), url])?;
            assert_eq!(
                said(&ran.stdout, stream),
                "You said: the key is [AWS_KEY] today",
                "{url} {model} {stream} {ran:?}"
            );
        }
    }
    let seen = json!([{ "class": "aws_access_key", "count": 1, "done": "masked" }]);
    for record in records(&file, 8)? {
        assert_eq!(record["answer_findings"], seen, "{record}");
        assert_eq!(
            (&record["answer"], &record["refused"]),
            (&json!("whole"), &Value::Null)
        );
    }
    let metrics = agent.metrics()?;
    let counted = "interceptor_answer_findings_total{class=\"aws_access_key\"} 8";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(agent.logs("sensitive answer")? && !agent.log()?.contains(KEY));
    assert!(!std::fs::read_to_string(&file)?.contains(KEY));
    Ok(())
}

#[test]
fn a_blocked_key_is_an_error_to_the_sdks_and_is_not_sent() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(
        &world,
        &options("classes.aws_access_key = \"block\"", &file),
    )?;
    let client = world.client(&agent.bundle());
    for url in [MESSAGES, CHAT] {
        let (status, body, _) = client.answer(["--data", &ask("stub-reversed", false), url])?;
        assert_eq!(status, 502, "{body}");
        assert!(
            body.contains("aws_access_key") && !body.contains("AKIA"),
            "{body}"
        );
        let ran = client.curl(["--data", &ask("stub-reversed", true), url])?;
        assert!(ran.stdout.contains("event: error\ndata: "), "{ran:?}");
        assert!(!said(&ran.stdout, true).contains("AK"), "{ran:?}");
        assert!(
            !ran.stdout.contains("message_stop") && !ran.stdout.contains("[DONE]"),
            "{ran:?}"
        );
    }
    let code = format!(
        r#"
import anthropic, openai
for client, create, error in (
    (anthropic.Anthropic(api_key="x"), lambda it: it.messages.create, anthropic.APIError),
    (openai.OpenAI(api_key="x"), lambda it: it.chat.completions.create, openai.APIError),
):
    try:
        for event in create(client)(model="stub-reversed", max_tokens=9, stream=True, messages=[{{"role": "user", "content": "{}"}}]):
            pass
        print("went through")
    except error as raised:
        print("blocked_answer" in str(raised) or "policy blocks" in str(raised))
"#,
        format!("the key is {KEY} today")
            .chars()
            .rev()
            .collect::<String>()
    );
    assert_eq!(client.code(&code)?, "True\nTrue\n");
    for record in records(&file, 6)? {
        assert_eq!(record["refused"], "blocked_answer", "{record}");
        let done = &record["answer_findings"][0]["done"];
        assert_eq!(done, "blocked", "{record}");
    }
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_refused_total{reason=\"blocked_answer\"} 6"),
        "{metrics}"
    );
    Ok(())
}

#[test]
fn what_is_only_reported_or_was_the_requests_own_comes_as_it_is() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(
        &world,
        &options("secrets = \"report\"\nothers = \"block\"", &file),
    )?;
    let client = world.client(&agent.bundle());
    for stream in [false, true] {
        let ran = client.curl(["--data", &ask("stub-reversed", stream), CHAT])?;
        assert_eq!(
            said(&ran.stdout, stream),
            format!("You said: the key is {KEY} today"),
            "{ran:?}"
        );
        let own = format!("{KEY} at 10.77.31.8");
        let body = json!({ "model": "stub", "stream": stream, "messages": [{ "role": "user", "content": own }] });
        let ran = client.curl(["--data", &body.to_string(), CHAT])?;
        assert_eq!(
            said(&ran.stdout, stream),
            format!("You said: {own}"),
            "{ran:?}"
        );
    }
    let records = records(&file, 4)?;
    let found = |at: usize| records[at].get("answer_findings").and_then(Value::as_array);
    let first = found(0).context("nothing reported")?;
    assert_eq!(first[0]["done"], "reported");
    assert_eq!((found(1), found(3)), (None, None), "{records:?}");
    Ok(())
}
