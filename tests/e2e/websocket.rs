//! Realtime sessions: masked up, unmasked down, ended with a reason where a message may not go on.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

use crate::audit;

const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8, ada.canary@corp-mail.example é";

#[test]
fn a_session_goes_up_masked_and_comes_down_with_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = format!(
        "
import json, websocket
session = websocket.Session(headers=['Authorization: Bearer sk-x', 'OpenAI-Beta: realtime=v1'])
assert session.status == 101 and session.accepted, session.head
assert 'sec-websocket-extensions' not in session.head, session.head
session.send({{'type': 'session.update', 'session': {{'instructions': 'at 10.77.31.8'}}}}, parts=3)
seen = session.events('session.updated')
for text in ({TEXT:?}, 'again ' + {TEXT:?}):
    session.send(websocket.create(text), parts=2)
    session.send({{'type': 'response.create'}})
    seen += session.events('response.done')
session.frame(websocket.CLOSE, (1000).to_bytes(2, 'big') + b'over')
opcode, payload = session.receive()
while opcode == websocket.PONG:
    opcode, payload = session.receive()
assert (opcode, payload[2:]) == (websocket.CLOSE, b'over'), payload
print(json.dumps(seen))
"
    );
    let printed = world.client(&agent.bundle()).code(&code)?;
    let events: Vec<Value> = serde_json::from_str(&printed)?;
    assert_eq!(events[1]["session"]["instructions"], "at 10.77.31.8");
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let said: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(said, format!("You said: {TEXT}You said: again {TEXT}"));
    let done: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "response.done")
        .collect();
    assert_eq!(
        done[1].pointer("/response/output/0/content/0/text"),
        Some(&json!(format!("You said: again {TEXT}")))
    );
    let record = world.upstream.record();
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    let requests = record.requests();
    assert!(!requests[0].headers.contains_key("sec-websocket-extensions"));
    let sent: String = requests
        .iter()
        .map(|seen| String::from_utf8_lossy(&seen.plain))
        .collect();
    assert!(
        sent.contains("again EC2_001 at PRIVATE_IP_001, EMAIL_001 é"),
        "{sent}"
    );
    assert!(agent.logs("websocket ended")?, "{}", agent.log()?);
    Ok(())
}

/// What a session ends with that sends one event, or one frame.
fn ends(world: &World, agent: &Agent<'_>, send: &str) -> Result<String> {
    let code = format!(
        "
import websocket
session = websocket.Session()
session.events('session.created')
{send}
try:
    print(session.events('none'))
except EOFError as end:
    print(end.args[0][:2].hex() if end.args else 'cut', end.args[0][2:].decode() if end.args else '')
"
    );
    world.client(&agent.bundle()).code(&code)
}

#[test]
fn a_message_that_may_not_go_on_ends_the_session_with_a_reason() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[mask.classes]\nemail = \"block\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let (policy, protocol, utf8) = ("03f0", "03ea", "03ef");
    for (send, code, reason) in [
        (
            "session.send(websocket.create('ada.canary@corp-mail.example'))",
            policy,
            "email",
        ),
        (
            "session.send({'type': 'input_audio_buffer.append', 'audio': 'bm8='})",
            policy,
            "can't be read",
        ),
        (
            "session.frame(websocket.BINARY, b'10.77.31.8')",
            policy,
            "can't be read",
        ),
        (
            "session.frame(websocket.TEXT, b'10.77.31.8 hostile')",
            policy,
            "not JSON",
        ),
        (
            "session.frame(websocket.PING, b'10.77.31.8')",
            policy,
            "can't be replaced",
        ),
        ("session.frame(websocket.TEXT, b'\\xff')", utf8, "UTF-8"),
        ("session.frame(3, b'10.77.31.8')", protocol, "RFC 6455"),
        (
            "session.stream.sendall(b'\\x81\\x0a10.77.31.8')",
            protocol,
            "RFC 6455",
        ),
    ] {
        let said = ends(&world, &agent, send)?;
        assert!(
            said.starts_with(code) && said.contains(reason),
            "{send}: {said}"
        );
    }
    let record = world.upstream.record();
    let messages = record
        .requests()
        .into_iter()
        .filter(|seen| seen.method.as_str() == "MESSAGE");
    let passed: Vec<_> = messages
        .filter(|seen| seen.plain.len() > 125 || seen.plain.starts_with(b"1"))
        .collect();
    assert_eq!(passed.len(), 0, "{passed:?}");
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    Ok(())
}

#[test]
fn speech_passes_where_policy_lets_it() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[mask]\nunreadable = \"allow\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let code = "
import websocket
session = websocket.Session()
session.send({'type': 'input_audio_buffer.append', 'audio': 'bm8=', 'event_id': 'at 10.77.31.8'})
print(session.events('input_audio_buffer.speech_started')[-1]['type'])
";
    world.client(&agent.bundle()).code(code)?;
    let seen = world.upstream.record().last().context("nothing came")?;
    assert_eq!(seen.json()["audio"], "bm8=");
    assert_eq!(seen.json()["event_id"], "at PRIVATE_IP_001");
    Ok(())
}

#[test]
fn a_session_has_one_audit_record_with_all_its_findings() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(&world, &audit::options(&file, ""))?;
    let send = "
session.send(websocket.create('10.77.31.8'))
session.send(websocket.create('10.77.31.8 i-0c4a1a57e9b3d51f7'))
session.frame(websocket.BINARY, b'1')";
    ends(&world, &agent, send)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let line = loop {
        let lines = std::fs::read_to_string(&file)?;
        if let Some(line) = lines.lines().find(|line| line.contains("openai_realtime")) {
            break line.to_owned();
        }
        ensure!(Instant::now() < deadline, "no record: {lines}");
        thread::sleep(Duration::from_millis(20));
    };
    let record: Value = serde_json::from_str(&line)?;
    assert_eq!(record["status"], 101);
    assert_eq!(record["refused"], "unreadable");
    let findings = record["findings"].to_string();
    assert!(
        findings.contains(r#""count":2"#) && findings.contains("masked"),
        "{findings}"
    );
    assert!(record["request_bytes"].as_u64() > record["sent_bytes"].as_u64());
    assert_eq!(std::fs::read_to_string(&file)?.lines().count(), 1);
    Ok(())
}

#[test]
fn a_handshake_that_carries_a_value_or_is_none_is_refused() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import websocket
for path, headers in (('/v1/realtime?model=10.77.31.8', ()), ('/v1/realtime', ['X-Note: 10.77.31.8']),
                      ('/v1/realtime', ['Content-Length: 3']), ('/v1/responses', ()), ('/v1/chat/completions', ())):
    print(websocket.Session(path, headers).status)
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>(),
        ["403", "403", "400", "426", "403"]
    );
    assert_eq!(world.upstream.record().requests().len(), 0);
    Ok(())
}

#[test]
fn behind_a_request_that_came_to_nothing_the_next_head_is_seen() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[[hosts]]\nhost = \"few-streams.flaw.example\"\nprotocol = \"openai\"\nbase_path = \"/other\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    // A request with Transfer-Encoding is refused where nobody saw its head.
    let code = r#"
import json, websocket
host = "few-streams.flaw.example"
chat = json.dumps({"model": "stub", "messages": [{"role": "user", "content": "x"}]})
def next_status(session):
    session.stream.sendall((
        f"POST /other/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(chat):x}\r\n{chat}\r\n0\r\n\r\n").encode())
    return session.stream.recv(65536).split(b" ")[1].decode()
for path, headers in (("/other/realtime", ()), ("/other/nothing", ["Expect: 100-continue"])):
    session = websocket.Session(path, headers, host)
    print(session.status, next_status(session))
"#;
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "404 200\n403 200\n", "{}", agent.log()?);
    Ok(())
}
