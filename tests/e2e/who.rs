//! Policies by who connected: each process is under its own at the same time, whatever it does to be under another's.

mod cgroup;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, Client, World, canary};
use serde_json::{Value, json};

const ANTHROPIC: &str = "https://api.anthropic.com/v1/messages";
const OPENAI: &str = "https://api.openai.com/v1/chat/completions";
const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8";
const MASKED: &str = "EC2_001 at PRIVATE_IP_001";

fn policies(tables: &str) -> Options {
    Options {
        tables: tables.to_owned(),
        ..Options::default()
    }
}

/// Status and body of the answer to a call that says whose it is, and what made it.
fn call(client: &Client<'_>, name: &str, url: &str) -> Result<(u16, Value, Ran)> {
    let text = format!("{name}: {TEXT}");
    let body = json!({ "model": "stub", "max_tokens": 9, "messages": [{ "role": "user", "content": text }] });
    let (status, body, ran) =
        client.answer(["--max-time", "10", "--data", &body.to_string(), url])?;
    let body = serde_json::from_str(&body).with_context(|| format!("{ran:?}"))?;
    Ok((status, body, ran))
}

/// What the provider got of somebody, without the name.
fn seen_of(world: &World, name: &str) -> Vec<String> {
    let texts = world.upstream.record().requests().into_iter().map(|seen| {
        let text = seen.json()["messages"][0]["content"].clone();
        text.as_str().unwrap_or_default().to_owned()
    });
    texts
        .filter_map(|text| text.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        .collect()
}

/// Of users: the kernel's fact on every backend.
const BY_USER: &str = r#"
[mask.classes]
ec2_instance = "report"
[[policies]]
name = "openai-only"
match.uid = [1002]
hosts = ["api.openai.com"]
[[policies]]
name = "addresses"
match = { uid = [1003, 1004] }
classes.private_ip = "allow"
[[policies]]
name = "watched"
match = { uid = [1001, 1003] }
mode = "report-only"
"#;

#[test]
fn users_are_under_their_own_policies_at_the_same_time() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &policies(BY_USER))?;
    let client = |uid| world.client(&agent.bundle()).uid(uid);
    std::thread::scope(|scope| -> Result<()> {
        let calls: Vec<_> = [
            (1000, "nobody", ANTHROPIC, 200),
            (1001, "watched", ANTHROPIC, 200),
            (1002, "other-host", ANTHROPIC, 403),
            (1002, "listed-host", OPENAI, 200),
            (1003, "first-of-two", ANTHROPIC, 200),
            (1004, "second-user", ANTHROPIC, 200),
        ]
        .into_iter()
        .map(|(uid, name, url, status)| {
            let client = client(uid);
            scope.spawn(move || -> Result<()> {
                for _ in 0..3 {
                    let (seen, _, ran) = call(&client, name, url)?;
                    assert_eq!(seen, status, "{name}: {ran:?}");
                }
                Ok(())
            })
        })
        .collect();
        for call in calls {
            call.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })?;
    // Of two that match the first counts, whole; what it leaves out is the top level's.
    for (name, text) in [
        ("nobody", "i-0c4a1a57e9b3d51f7 at PRIVATE_IP_001"),
        ("watched", TEXT),
        ("listed-host", "i-0c4a1a57e9b3d51f7 at PRIVATE_IP_001"),
        ("first-of-two", TEXT),
        ("second-user", TEXT),
    ] {
        assert_eq!(seen_of(&world, name), [text; 3], "{name}");
    }
    assert_eq!(seen_of(&world, "other-host"), [""; 0]);

    let refused = call(&client(1002), "other-host", ANTHROPIC)?.1;
    assert_eq!(refused["error"]["type"], "permission_error");
    let message = refused["error"]["message"].as_str().context("a message")?;
    assert!(message.contains("this process call this host"), "{message}");

    let events = agent.exchanges_after(18)?;
    assert_eq!(events[0]["refused"], "host_not_allowed");
    let mut told: Vec<_> = agent
        .exchanges()?
        .iter()
        .map(|event| {
            (
                event["uid"].as_u64(),
                event["policy"].as_str().map(str::to_owned),
            )
        })
        .collect();
    told.sort();
    told.dedup();
    let some = |uid, policy: &str| (Some(uid), Some(policy.to_owned()));
    assert_eq!(
        told,
        [
            (Some(1000), None),
            some(1001, "watched"),
            some(1002, "openai-only"),
            some(1003, "addresses"),
            some(1004, "addresses"),
        ]
    );
    let metrics = agent.metrics()?;
    for line in [
        "interceptor_policy_exchanges_total{policy=\"openai-only\",status=\"4xx\"} 4",
        "interceptor_policy_exchanges_total{policy=\"watched\",status=\"2xx\"} 3",
        "interceptor_refused_total{reason=\"host_not_allowed\"} 4",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let told = agent.log()? + &metrics;
    assert_eq!(canary::leaks(told.as_bytes()), [""; 0]);
    Ok(())
}

#[test]
fn a_reload_changes_the_policy_of_an_open_connection() -> Result<()> {
    let world = World::new()?;
    let watched = "[[policies]]\nname = \"watched\"\nmatch.uid = [1000]\nmode = \"report-only\"";
    let agent = Agent::start(&world, &policies(watched))?;
    let client = world.client(&agent.bundle()).uid(1000);
    let code = "
import http.client, json, pathlib, sys, time
connection = http.client.HTTPSConnection('api.anthropic.com', timeout=10)
statuses, first = [], None
for number, mark in enumerate(sys.argv[2:]):
    while not pathlib.Path(mark).exists():
        time.sleep(0.01)
    text = f'call {number}: {sys.argv[1]}'
    body = json.dumps({'model': 'stub', 'max_tokens': 9, 'messages': [{'role': 'user', 'content': text}]})
    connection.request('POST', '/v1/messages', body, {'Content-Type': 'application/json'})
    first = first or connection.sock
    assert connection.sock is first
    answer = connection.getresponse()
    answer.read()
    statuses.append(answer.status)
print(statuses)
";
    let marks = ["first", "second", "third"].map(|name| world.dir().join(name));
    let mark = |number: usize| std::fs::write(&marks[number], "");
    mark(0)?;
    let statuses = std::thread::scope(|scope| {
        let args = std::iter::once(TEXT.into())
            .chain(marks.iter().map(|mark| mark.as_os_str().to_owned()));
        let args: Vec<std::ffi::OsString> = args.collect();
        let client = &client;
        let ran = scope.spawn(move || client.code_with(code, args));
        let changed = (|| -> Result<()> {
            agent.exchanges_after(0)?;
            agent.reload(&world, &Options::default())?;
            mark(1)?;
            agent.exchanges_after(1)?;
            let elsewhere = "[[policies]]\nname = \"elsewhere\"\nmatch.uid = [1000]\nhosts = [\"api.openai.com\"]";
            agent.reload(&world, &policies(elsewhere))
        })();
        for number in 0..3 {
            mark(number)?;
        }
        changed?;
        ran.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    assert_eq!(statuses, "[200, 200, 403]\n");
    assert_eq!(seen_of(&world, "call 0"), [TEXT]);
    assert_eq!(seen_of(&world, "call 1"), [MASKED]);
    assert_eq!(seen_of(&world, "call 2"), [""; 0]);
    Ok(())
}

#[test]
fn a_name_that_a_process_gives_itself_loosens_nothing() -> Result<()> {
    let world = World::new()?;
    let by_name = "[[policies]]\nname = \"curl\"\nmatch.comm = [\"curl\"]\nmode = \"report-only\"";
    let config = Agent::prepare(&world, &Options::default())?;
    let text = std::fs::read_to_string(&config)? + by_name;
    std::fs::write(&config, text)?;
    let checked = Agent::command(&world)?
        .args(["check", "--config"])
        .arg(&config)
        .output()?;
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success());
    assert!(said.contains("which a process can choose"), "{said}");

    // To be told apart by what is stricter, a name will do.
    let strict =
        "[[policies]]\nname = \"no-curl\"\nmatch.comm = [\"cur*\"]\nhosts = [\"api.openai.com\"]";
    let agent = Agent::start(&world, &policies(strict))?;
    let (status, ..) = call(&world.client(&agent.bundle()), "curl", ANTHROPIC)?;
    let expected = match world.backend {
        interceptor_tests::Backend::Ebpf | interceptor_tests::Backend::Off => 403,
        // Of a process it knows the user alone.
        interceptor_tests::Backend::Nftables => 200,
    };
    assert_eq!(status, expected);
    Ok(())
}

#[test]
fn a_policy_that_holds_for_nobody_here_is_warned_of() -> Result<()> {
    let world = World::new()?;
    let by_unit = "[[policies]]\nname = \"by-unit\"\nmatch.unit = [\"x.service\"]";
    let agent = Agent::start(&world, &policies(by_unit))?;
    agent.reload(&world, &policies(by_unit))?;
    let warned = agent.log()?.matches("this policy holds for nobody").count();
    let expected = match world.backend {
        interceptor_tests::Backend::Ebpf | interceptor_tests::Backend::Off => 0,
        interceptor_tests::Backend::Nftables => 2,
    };
    assert_eq!(warned, expected, "{}", agent.log()?);
    Ok(())
}
