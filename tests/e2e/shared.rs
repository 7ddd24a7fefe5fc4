//! Connections to providers that exchanges share: none waits for another's answer, and unused ones are closed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::upstream::flaw;
use interceptor_tests::{Agent, World};

fn options(limits: &str) -> Options {
    Options {
        tables: format!(
            "{limits}\n[[hosts]]\nhost = \"*.{}\"\nprotocol = \"anthropic\"",
            flaw::DOMAIN
        ),
        ..Options::default()
    }
}

/// Twice as many streams at once as the provider takes of a connection.
const MANY: &str = r#"
import hostile, json
def ask(model):
    text = {"model": model, "max_tokens": 9, "stream": model != "stub", "messages": [{"role": "user", "content": 500 * "x"}]}
    return json.dumps(text).encode()
def call(stream, model):
    fields = hostile.request_fields(authority=NAME)
    sock.sendall(hostile.frame(hostile.HEADERS, hostile.END_HEADERS, stream, fields))
    sock.sendall(hostile.frame(hostile.DATA, hostile.END_STREAM, stream, ask(model)))
def until_ended(streams):
    """What came of them, in its order."""
    data, seen, open_ = b"", [], set(streams)
    while open_:
        data += sock.recv(65536) or exit("closed: %s" % seen)
        while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
            kind, flags, stream, data = data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 + size :]
            if kind == hostile.HEADERS:
                seen.append("begun")
            if kind == hostile.RST_STREAM:
                exit(f"reset: {seen}")
            if kind in (hostile.HEADERS, hostile.DATA) and flags & hostile.END_STREAM:
                seen.append("ended")
                open_.discard(stream)
    return seen
sock = hostile.http2(NAME)
window_update = 8
sock.sendall(hostile.frame(window_update, 0, 0, (1 << 30).to_bytes(4, "big")))
call(1, "stub")
until_ended([1])
streams = range(3, 3 + 2 * COUNT, 2)
for stream in streams:
    call(stream, "stub-slow")
print(*until_ended(streams))
"#;

#[test]
fn no_answer_waits_for_the_end_of_another() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let count = 2 * flaw::FEW_STREAMS as usize;
    let name = format!("few-streams.{}", flaw::DOMAIN);
    let code = format!("NAME, COUNT = {name:?}, {count}\n{MANY}");
    let said = client.code(&code)?;
    let all = ["begun ".repeat(count), "ended ".repeat(count)].concat();
    assert_eq!(said.trim(), all.trim(), "{}", agent.log()?);
    let opened = world.upstream.record().connections();
    ensure!((2..=5).contains(&opened), "{opened} connections");
    Ok(())
}

#[test]
fn what_is_unused_is_closed() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options("[limits]\nidle_timeout = \"1s\""))?;
    let client = world.client(&agent.bundle());
    for http in ["--http1.1", "--http2"] {
        let data = r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
        let url = "https://api.anthropic.com/v1/messages";
        client.curl([http, "--fail", "--data", data, url])?;
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if established(&world)? == 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{} connections are still open", established(&world)?);
}

/// Connections that the provider has open: its sockets take both families.
fn established(world: &World) -> Result<usize> {
    let table = world
        .provider
        .run(|| std::fs::read_to_string("/proc/thread-self/net/tcp6"))??;
    let open = table.lines().skip(1).map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().context("an address")?;
        Ok(local.ends_with(":01BB") && fields.nth(1) == Some("01"))
    });
    let open: Vec<bool> = open.collect::<Result<_>>()?;
    Ok(open.into_iter().filter(|open| *open).count())
}
