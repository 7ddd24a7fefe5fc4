//! Names, found by a service that speaks as Presidio does; and what becomes of requests when it doesn't.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use serde_json::{Value, json};

use crate::leaks::said;

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const NAME: &str = "Ada Béla Canary";

/// Knows one name; serves for as long as its socket is there.
fn stand_in(path: &Path) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its own connection.
            thread::spawn(move || drop(answer(stream)));
        }
    });
    Ok(())
}

fn answer(stream: UnixStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let asked: Value = serde_json::from_slice(&body)?;
        let text = asked["text"].as_str().context("a text")?;
        let found = text.match_indices(NAME).map(|(at, _)| {
            let start = text[..at].chars().count();
            json!({ "entity_type": "PERSON", "start": start, "end": start + NAME.chars().count(), "score": 0.9 })
        });
        let found = Value::from(found.collect::<Vec<_>>()).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{found}",
            found.len()
        )?;
    }
}

fn options(socket: &Path, more: &str) -> Options {
    let url = format!("unix:{}", socket.display());
    Options {
        tables: format!("[analyzer]\nurl = {url:?}\nentities = [\"PERSON\"]\n{more}"),
        ..Options::default()
    }
}

fn ask(text: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": text }]);
    json!({ "model": "stub", "max_tokens": 9, "stream": stream, "messages": messages }).to_string()
}

#[test]
fn names_are_masked_and_come_back_and_nothing_goes_on_without() -> Result<()> {
    let world = World::new()?;
    let socket = world.dir().join("analyzer.sock");
    stand_in(&socket)?;
    let agent = Agent::start(&world, &options(&socket, ""))?;
    let client = world.client(&agent.bundle());
    let text = format!("é {NAME} at 10.77.31.8, says {NAME}");
    for stream in [false, true] {
        let ran = client.curl(["--data", &ask(&text, stream), MESSAGES])?;
        assert_eq!(
            said(&ran.stdout, stream),
            format!("You said: {text}"),
            "{ran:?}"
        );
        let seen = world.upstream.record().last().context("nothing came")?;
        assert_eq!(
            seen.json()["messages"][0]["content"],
            "é PERSON_001 at PRIVATE_IP_001, says PERSON_001"
        );
    }
    std::fs::remove_file(&socket)?;
    let (status, body, _) = client.answer(["--data", &ask("a new text", false), MESSAGES])?;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the analyzer can't be reached"), "{body}");
    assert_eq!(world.upstream.record().requests().len(), 2);
    assert!(!agent.log()?.contains(NAME));

    // Where its classes are only counted, or policy says so, requests go on.
    for more in [
        "on_failure = \"skip\"",
        "[mask.classes]\nperson = \"report\"",
    ] {
        agent.reload(&world, &options(&socket, more))?;
        let (status, body, _) = client.answer(["--data", &ask(NAME, false), MESSAGES])?;
        assert_eq!(status, 200, "{body}");
    }
    let metrics = agent.metrics()?;
    let counted = "interceptor_let_through_total{reason=\"analyzer\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
    Ok(())
}
