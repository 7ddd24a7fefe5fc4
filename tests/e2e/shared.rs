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

/// Many calls on one connection of a client, by hand: only so are they many on one of the agent's too.
const CALLS: &str = r#"
import gzip, hostile, json
WINDOW_UPDATE = 8
sock = hostile.http2(NAME)
# All of them together may say what they like; each of them 64 KiB.
sock.sendall(hostile.frame(WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
def call(stream, model, text="x"):
    ask = {"model": model, "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": text}]}
    # Coded, it is short however long it is, and no window is in its way.
    body = gzip.compress(json.dumps(ask).encode())
    fields = hostile.request_fields(authority=NAME) + hostile.field("content-encoding", "gzip")
    sock.sendall(hostile.frame(hostile.HEADERS, hostile.END_HEADERS, stream, fields))
    sock.sendall(hostile.frame(hostile.DATA, hostile.END_STREAM, stream, body))
data = b""
def until_ended(streams):
    """What came of them, in its order; until a second passes in which nothing came."""
    global data
    seen, going = [], set(streams)
    while going:
        try:
            data += sock.recv(65536) or exit("closed: %s" % seen)
        except TimeoutError:
            return seen + ["stopped"]
        while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
            kind, flags, stream, data = data[3], data[4], int.from_bytes(data[5:9], "big"), data[9 + size :]
            if stream in going and kind == hostile.HEADERS:
                seen.append("begun")
            if kind == hostile.RST_STREAM:
                exit(f"reset: {seen}")
            if stream in going and kind in (hostile.HEADERS, hostile.DATA) and flags & hostile.END_STREAM:
                seen.append("ended")
                going.discard(stream)
    return seen
call(1, "stub")
print(*until_ended([1]))
streams = range(3, 3 + 2 * COUNT, 2)
"#;

#[test]
fn no_answer_waits_for_the_end_of_another() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let count = 2 * flaw::FEW_STREAMS as usize;
    let name = format!("few-streams.{}", flaw::DOMAIN);
    let code = format!(
        "NAME, COUNT = {name:?}, {count}\n{CALLS}
for stream in streams:
    call(stream, 'stub-slow', 500 * 'x')
print(*until_ended(streams))
"
    );
    let said = client.code(&code)?;
    let all = ["begun ".repeat(count), "ended ".repeat(count)].concat();
    assert_eq!(said, format!("begun ended\n{}\n", all.trim()));
    let opened = world.upstream.record().connections();
    ensure!((2..=5).contains(&opened), "{opened} connections");
    Ok(())
}

#[test]
fn answers_that_are_read_late_stay_whole() -> Result<()> {
    const COUNT: usize = 20;
    let world = World::new()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let code = format!(
        "NAME, COUNT = 'api.anthropic.com', {COUNT}\n{CALLS}
import time
for stream in streams:
    call(stream, 'stub', 200_000 * 'x')
time.sleep(3)
for stream in streams:
    sock.sendall(hostile.frame(WINDOW_UPDATE, 0, stream, (1 << 30).to_bytes(4, 'big')))
print(*until_ended(streams))
"
    );
    let said = client.code(&code)?;
    assert_eq!(said.matches("ended").count(), COUNT + 1, "{said}");
    Ok(())
}

#[test]
fn one_that_the_provider_ended_is_not_asked_again() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options(""))?;
    let client = world.client(&agent.bundle());
    let data = r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let url = "https://api.anthropic.com/v1/messages";
    let call = ["--http2", "--fail", "--max-time", "5", "--data", data, url];
    for calls in 1..4 {
        let ran = client.curl(call)?;
        ensure!(ran.stdout.contains("You said: x"), "{ran:?}");
        assert_eq!(world.upstream.record().connections(), calls);
        let ended = world.provider.run(|| {
            let mut command = std::process::Command::new("ss");
            command
                .args(["--kill", "state", "established", "sport", "443"])
                .output()
        })??;
        ensure!(ended.status.success(), "{ended:?}");
    }
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
