//! Clients that come to the agent's listeners by themselves, an agent without any privilege, and the same masking.

mod access;
mod alive;
mod closed;
mod pages;
mod passed;
mod policies;
mod tunnels;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::backend::Backend;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, Client, World, canary};
use serde_json::json;

const PROXY: &str = "http://127.0.0.1:15480";

const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8 \"says\"\n\\é😀";
const MASKED: &str = "EC2_001 at PRIVATE_IP_001 \"says\"\n\\é😀";

const HOSTS: [(&str, &str); 3] = [
    ("api.anthropic.com", "/v1/messages"),
    ("api.openai.com", "/v1/chat/completions"),
    ("llm.corp.example", "/v1/chat/completions"),
];

/// A listener on loopback, with further lines.
fn loopback(lines: &str) -> Options {
    listener(&format!("address = \"127.0.0.1:15480\"\n{lines}"))
}

fn listener(lines: &str) -> Options {
    Options {
        tables: format!("[[listeners]]\n{lines}"),
        ..Options::default()
    }
}

fn body(stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": TEXT }]);
    json!({ "model": "stub", "max_tokens": 9, "stream": stream, "messages": messages }).to_string()
}

/// One call through a listener, by these arguments of curl.
fn call<'a>(
    client: &Client<'_>,
    args: impl IntoIterator<Item = &'a str>,
    url: &str,
) -> Result<Ran> {
    let data = body(false);
    let mut all: Vec<&str> = args.into_iter().collect();
    all.extend(["--max-time", "10", "--data", &data, url]);
    client.curl(all)
}

fn assert_answered(ran: &Ran, agent: &Agent<'_>) -> Result<()> {
    assert!(ran.status.success(), "{ran:?}\n{}", agent.log()?);
    let said = super::leaks::said(&ran.stdout, false);
    assert_eq!(said, format!("You said: {TEXT}"));
    Ok(())
}

/// What was sent on is masked, and nothing of it is told.
fn assert_masked(world: &World, agent: &Agent<'_>, calls: usize) -> Result<()> {
    let record = world.upstream.record();
    assert_eq!(record.requests().len(), calls, "{}", agent.log()?);
    for seen in record.requests() {
        assert_eq!(seen.json()["messages"][0]["content"], MASKED, "{seen:?}");
    }
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    agent.exchanges_after(calls - 1)?;
    assert_eq!(canary::leaks(agent.log()?.as_bytes()), [""; 0]);
    assert_eq!(canary::leaks(agent.metrics()?.as_bytes()), [""; 0]);
    Ok(())
}

#[test]
fn a_proxy_masks_what_curl_sends() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let client = world.client(&agent.bundle()).uid(65534);
    let mut calls = 0;
    for (host, path) in HOSTS {
        for http in ["--http1.1", "--http2"] {
            for stream in [false, true] {
                let (data, url) = (body(stream), format!("https://{host}{path}"));
                let ran = client.curl(["-x", PROXY, http, "--data", &data, &url])?;
                assert!(ran.status.success(), "{ran:?}\n{}", agent.log()?);
                assert_eq!(
                    crate::leaks::said(&ran.stdout, stream),
                    format!("You said: {TEXT}"),
                    "{host} {http}"
                );
                calls += 1;
                let event = agent.exchanges_after(calls - 1)?.remove(0);
                assert_eq!(event["host"], host);
                // Its pid is for those to see who may look into its process.
                assert_eq!(event["uid"], 65534, "{event:#}");
            }
        }
    }
    let versions = world.upstream.record().requests().into_iter();
    let http2 = versions.filter(|seen| seen.version == http::Version::HTTP_2);
    assert_eq!(http2.count() * 2, calls, "as the client spoke");
    assert_masked(&world, &agent, calls)
}

#[test]
fn a_base_url_masks_what_curl_sends_and_changes_nothing_else() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let client = world.client(&agent.bundle()).uid(65534);
    let headers = [
        "-H",
        "X-Api-Key: sk-test",
        "-H",
        "Anthropic-Beta: x",
        "-x",
        "",
    ];
    for (host, path) in HOSTS {
        for form in ["", "https://"] {
            let url = format!("{PROXY}/{form}{host}{path}?beta=true");
            assert_answered(&call(&client, headers, &url)?, &agent)?;
            let seen = world.upstream.record().last().context("nothing came")?;
            assert_eq!(seen.target, format!("{path}?beta=true"));
            assert_eq!(seen.headers["host"], host);
            assert_eq!(seen.headers["x-api-key"], "sk-test");
        }
    }
    assert_masked(&world, &agent, 2 * HOSTS.len())?;
    // What needs no masking leaves byte for byte.
    let plain =
        r#"{"max_tokens": 9.0,"model":"stub","messages":[{"role":"user","content":"hi"}] }"#;
    let url = format!("{PROXY}/api.anthropic.com/v1/messages");
    let ran = client.curl(["-x", "", "--data", plain, &url])?;
    assert!(ran.stdout.contains("You said: hi"), "{ran:?}");
    let seen = world.upstream.record().last().context("nothing came")?;
    assert_eq!(seen.body, plain.as_bytes());
    Ok(())
}

#[test]
fn official_sdks_work_with_a_base_url_and_with_a_proxy() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let client = world.client(&agent.bundle());
    let proxied = client.clone().env("HTTPS_PROXY", PROXY);
    let mut calls = 0;
    for (script, base) in [
        ("anthropic_sdk.py", "api.anthropic.com"),
        ("openai_sdk.py", "api.openai.com/v1"),
    ] {
        for stream in [false, true] {
            let ask = json!({ "model": "stub", "text": TEXT, "stream": stream });
            let mut based = ask.clone();
            based["base_url"] = format!("{PROXY}/{base}").into();
            for (client, ask) in [(&client, &based), (&proxied, &ask)] {
                let got = client.python(script, ask)?;
                assert_eq!(got["text"], format!("You said: {TEXT}"), "{got:#} {ask}");
                calls += 1;
            }
        }
    }
    assert_masked(&world, &agent, calls)
}

#[test]
fn a_process_without_any_network_is_served_over_a_unix_socket() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let socket = world.dir().join("proxy/agent.sock");
    let path = socket.to_str().context("a path in UTF-8")?;
    let agent = Agent::start(
        &world,
        &listener(&format!("path = \"{path}\"\nmode = \"0666\"")),
    )?;
    let alone = world.isolated(101)?;
    let client = world.client_in(&alone, &agent.bundle()).uid(65534);
    let unreachable = client.curl(["https://api.anthropic.com/"])?;
    assert!(!unreachable.status.success(), "{unreachable:?}");

    let arguments = ["--unix-socket", path];
    let url = "http://localhost/api.anthropic.com/v1/messages";
    let ran = call(&client, arguments, url)?;
    assert_answered(&ran, &agent)?;
    let event = agent.exchanges_after(0)?.remove(0);
    assert_eq!(event["pid"], ran.pid, "{event:#}");
    assert_eq!(
        (&event["uid"], &event["comm"]),
        (&json!(65534), &json!("curl"))
    );

    // The same socket takes a CONNECT.
    let code = r#"
import raw, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nHost: api.anthropic.com:443\r\n\r\n")
answer = b""
while b"\r\n\r\n" not in answer:
    answer += sock.recv(1)
assert b" 200 " in answer, answer
print(raw.exchange(raw.tls(sock), raw.request(sys.argv[2])))
"#;
    let answer = client.code_with(code, [path, TEXT])?;
    assert!(answer.contains("You said: "), "{answer}");
    assert_masked(&world, &agent, 2)
}

#[test]
fn a_socket_is_for_whom_its_file_is_for() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let socket = world.dir().join("agent.sock");
    let path = socket.to_str().context("a path in UTF-8")?;
    let lines = format!("path = \"{path}\"\nmode = \"0660\"\ngroup = \"daemon\"");
    // To give a file to a group takes being its owner and of that group, or a capability that this agent has not.
    let config = Agent::prepare(&world, &listener(&lines))?;
    let mut agent = Agent::spawn(&world, &config)?;
    assert!(!agent.wait()?.success());
    assert!(agent.log()?.contains("group daemon"), "{}", agent.log()?);
    drop(agent);

    let lines = lines.replace("daemon", "root");
    let agent = Agent::start(&world, &listener(&lines))?;
    let url = "http://localhost/api.anthropic.com/v1/messages";
    let arguments = ["--unix-socket", path];
    let nobody = world.client(&agent.bundle()).uid(65534);
    let refused = call(&nobody, arguments, url)?;
    assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    let root = world.client(&agent.bundle());
    assert_answered(&call(&root, arguments, url)?, &agent)?;
    assert_masked(&world, &agent, 1)
}

#[test]
fn steered_agents_have_listeners_too() -> Result<()> {
    for backend in [Backend::Ebpf, Backend::Nftables] {
        let mut world = World::on(backend)?;
        world.resolves = true;
        let agent = Agent::start(&world, &loopback(""))?;
        let client = world.client(&agent.bundle());
        let tunnel = call(
            &client,
            ["-x", PROXY],
            "https://api.anthropic.com/v1/messages",
        )?;
        assert_answered(&tunnel, &agent)?;
        if backend == Backend::Ebpf {
            let event = agent.exchanges_after(0)?.remove(0);
            assert_eq!(event["pid"], tunnel.pid, "{event:#}");
            assert_eq!(event["comm"], "curl");
        }
        let url = format!("{PROXY}/api.anthropic.com/v1/messages");
        assert_answered(&call(&client, [], &url)?, &agent)?;
        let steered = call(&client, [], "https://api.anthropic.com/v1/messages")?;
        assert_answered(&steered, &agent)?;
        assert_masked(&world, &agent, 3)?;
    }
    Ok(())
}
