//! Answers: the same as without us where nothing was found, and readable in any coding where something was.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Client, World, coding};
use serde_json::json;

use super::{CHAT, MESSAGES};

fn ask(model: &str, text: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": text }]);
    json!({ "model": model, "max_tokens": 9, "n": 2, "stream": stream, "messages": messages })
        .to_string()
}

/// Head and body, byte for byte, without the date.
fn answer(client: &Client<'_>, world: &World, args: &[&str]) -> Result<(Vec<String>, Vec<u8>)> {
    let file = world.dir().join("answer");
    let path = file.display().to_string();
    let ran = client.curl(["--include", "--output", &path].iter().chain(args))?;
    let bytes = std::fs::read(&file).with_context(|| format!("{ran:?}"))?;
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no head")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let fields = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    Ok((
        fields.map(str::to_owned).collect(),
        bytes[end + 4..].to_vec(),
    ))
}

#[test]
fn an_answer_is_the_one_of_the_provider_where_nothing_was_found() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (steered, direct) = (world.client(&agent.bundle()), world.direct_client());
    for url in [MESSAGES, CHAT] {
        for http in ["--http1.1", "--http2"] {
            for (model, stream) in [
                ("stub", false),
                ("stub", true),
                ("stub-tool-cut", true),
                ("stub-thinking-redacted", true),
                ("stub-gzip", true),
                ("stub-br", false),
                ("stub-429", false),
                ("stub-500", true),
            ] {
                let body = ask(model, "nothing é😀 \"here\" EC2_001", stream);
                let args = [http, "--data", body.as_str(), url];
                let (with, without) = (
                    answer(&steered, &world, &args)?,
                    answer(&direct, &world, &args)?,
                );
                assert_eq!(with.0, without.0, "the head of {args:?}");
                assert!(
                    with.1 == without.1,
                    "the body of {args:?}: {}",
                    String::from_utf8_lossy(&with.1)
                );
            }
        }
    }
    Ok(())
}

#[test]
fn events_are_those_of_the_provider_where_the_values_are_elsewhere() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (steered, direct) = (world.client(&agent.bundle()), world.direct_client());
    for url in [MESSAGES, CHAT] {
        for model in ["stub", "stub-tool", "stub-cut"] {
            // A value was found, and so the stream is read; but the model doesn't repeat it.
            let messages = json!([{ "role": "user", "content": "at 10.77.31.8" }, { "role": "user", "content": "some_words and 12 é😀 more" }]);
            let body =
                json!({ "model": model, "max_tokens": 9, "stream": true, "messages": messages })
                    .to_string();
            let args = ["--data", body.as_str(), url];
            let (with, without) = (
                answer(&steered, &world, &args)?,
                answer(&direct, &world, &args)?,
            );
            assert_eq!(events(&with.1), events(&without.1), "{model} {url}");
        }
    }
    Ok(())
}

fn events(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    text.split("\n\n").map(str::to_owned).collect()
}

#[test]
fn coded_answers_come_back_with_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for url in [MESSAGES, CHAT] {
        for coding in coding::CODINGS {
            for (cut, stream) in [("", false), ("", true), ("-cut", true)] {
                let body = ask(
                    &format!("stub-{coding}{cut}"),
                    "at 10.77.31.8 and 10.77.31.9",
                    stream,
                );
                let ran = client.curl(["--compressed", "--fail", "--data", &body, url])?;
                let said = crate::leaks::said(&ran.stdout, stream);
                // Of a stream with two choices both are heard.
                let times = if stream && url == CHAT { 2 } else { 1 };
                let once = "You said: at 10.77.31.8 and 10.77.31.9";
                assert_eq!(
                    said.len(),
                    once.len() * times,
                    "{url} {coding}{cut} {ran:?}"
                );
                assert!(!said.contains("PRIVATE_IP"), "{said}");
                if times == 1 {
                    assert_eq!(said, once);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn of_many_calls_at_once_each_gets_its_own_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import asyncio, httpx2, json, ssl
def said(line):
    if not line.startswith('data: {'):
        return ''
    return json.loads(line[6:]).get('delta', {}).get('text', '')
async def call(client, number):
    text = f'10.1.{number}.8 and i-0c4a1a57e9b3d{number:04x}'
    body = {'model': 'stub-cut', 'max_tokens': 9, 'stream': True, 'messages': [{'role': 'user', 'content': text}]}
    answer = await client.post('https://api.anthropic.com/v1/messages', json=body)
    return ''.join(map(said, answer.text.splitlines())) == f'You said: {text}'
async def main():
    for http2 in (False, True):
        async with httpx2.AsyncClient(http2=http2, timeout=20, verify=ssl.create_default_context()) as client:
            print(sum(await asyncio.gather(*(call(client, number) for number in range(200)))))
asyncio.run(main())
";
    let right = world.client(&agent.bundle()).code(code)?;
    assert_eq!(right, "200\n200\n");
    let record = world.upstream.record();
    let tokens = record
        .requests()
        .iter()
        .filter(|seen| seen.json()["messages"][0]["content"] == "PRIVATE_IP_001 and EC2_001")
        .count();
    assert_eq!(tokens, 400, "each has its own numbers");
    Ok(())
}
