//! The audit: one record an exchange, under the log's id, without a value; and nothing without a record.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::upstream::flaw;
use interceptor_tests::{Agent, Client, World, canary};
use serde_json::{Value, json};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8 of ada.canary@corp-mail.example";

/// With an audit in this file.
pub fn options(file: &Path, more: &str) -> Options {
    Options {
        tables: format!("[audit]\nfile = {file:?}\n{more}"),
        ..Options::default()
    }
}

/// The status that a call is answered with.
fn ask(client: &Client<'_>, model: &str, url: &str) -> Result<u16> {
    Ok(call(client, model, url)?.0)
}

fn call(client: &Client<'_>, model: &str, url: &str) -> Result<(u16, String)> {
    let body = json!({ "model": model, "max_tokens": 9, "messages": [{ "role": "user", "content": TEXT }] });
    let (status, body, _) =
        client.answer(["--max-time", "10", "--data", &body.to_string(), url])?;
    Ok((status, body))
}

/// The file's records, once there are this many.
pub fn records(file: &Path, count: usize) -> Result<Vec<Value>> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let text = fs::read_to_string(file)?;
        let whole = text.lines().count();
        if whole >= count && text.ends_with('\n') {
            let parsed = text.lines().map(serde_json::from_str);
            return Ok(parsed.collect::<Result<_, _>>()?);
        }
        ensure!(
            Instant::now() < deadline,
            "{whole} of {count} records:\n{text}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_exchange_is_recorded_under_the_logs_id() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let policies = "[mask.classes]\njwt = \"block\"\nemail = \"report\"\n[[policies]]\nname = \"watched\"\nmatch.uid = [1001]\nmode = \"report-only\"";
    let agent = Agent::start(&world, &options(&file, policies))?;
    let client = world.client(&agent.bundle()).uid(1000);
    assert_eq!(ask(&client, "stub", MESSAGES)?, 200);
    let streamed = client.curl(["--data", &json!({ "model": "stub", "stream": true, "max_tokens": 9, "messages": [{ "role": "user", "content": TEXT }] }).to_string(), MESSAGES])?;
    assert!(streamed.stdout.contains("message_stop"), "{streamed:?}");
    let unknown = format!(
        "https://api.anthropic.com/v1/{}",
        "ada.canary@corp-mail.example"
    );
    assert_eq!(ask(&client, "stub", &unknown)?, 403);
    let jwt = canary::all().iter().find(|canary| canary.class == "jwt");
    let jwt = &jwt.context("a canary")?.text;
    let blocked = json!({ "model": "stub", "messages": [{ "role": "user", "content": jwt }] });
    client.curl(["--data", &blocked.to_string(), MESSAGES])?;
    // A value as a method.
    client.curl(["--request", "i-0c4a1a57e9b3d51f7", MESSAGES])?;
    let watched = world.client(&agent.bundle()).uid(1001);
    assert_eq!(ask(&watched, "stub", MESSAGES)?, 200);
    let (plain, ..) = client.answer(["http://api.anthropic.com/v1/messages"])?;
    assert_eq!(plain, 403);

    let records = records(&file, 7)?;
    let of = |kind: &str| -> Vec<&Value> {
        records
            .iter()
            .filter(|record| record["kind"] == kind)
            .collect()
    };
    let exchanges = of("exchange");
    let ids = |events: &[&Value]| -> BTreeSet<String> {
        events.iter().map(|event| event["id"].to_string()).collect()
    };
    agent.exchanges_after(5)?;
    let logged = agent.exchanges()?;
    assert_eq!(ids(&exchanges), ids(&logged.iter().collect::<Vec<_>>()));
    assert_eq!(exchanges.len(), 6);

    let first = exchanges[0];
    for (key, value) in [
        ("v", json!(1)),
        ("host", json!("api.anthropic.com")),
        ("method", json!("POST")),
        ("endpoint", json!("anthropic_messages")),
        ("policy", json!("default")),
        ("mode", json!("enforce")),
        ("status", json!(200)),
        ("refused", Value::Null),
        ("answer", json!("whole")),
    ] {
        assert_eq!(first[key], value, "{key} of {first}");
    }
    let found: BTreeSet<_> = first["findings"]
        .as_array()
        .context("a list")?
        .iter()
        .map(|finding| finding.to_string())
        .collect();
    let finding = |class, done| json!({ "class": class, "count": 1, "done": done }).to_string();
    assert_eq!(
        found,
        [
            finding("ec2_instance", "masked"),
            finding("email", "reported"),
            finding("private_ip", "masked"),
        ]
        .into()
    );
    let original = first["original"].as_str().context("an address")?;
    assert!(
        ["198.51.100.11:443", "[2001:db8::11]:443"].contains(&original),
        "{first}"
    );
    assert_eq!(first["who"]["uid"], 1000);
    assert!(
        first["request_bytes"].as_u64() > first["sent_bytes"].as_u64(),
        "{first}"
    );
    assert!(first["answer_bytes"].as_u64() > Some(0), "{first}");
    let rest: Vec<_> = exchanges[1..]
        .iter()
        .map(|record| {
            (
                &record["endpoint"],
                &record["refused"],
                &record["method"],
                &record["policy"],
            )
        })
        .collect();
    let null = &Value::Null;
    let text = |text: &str| json!(text);
    assert_eq!(
        rest,
        [
            (
                &text("anthropic_messages"),
                null,
                &text("POST"),
                &text("default")
            ),
            (
                &text("unknown_path"),
                &text("unknown_path"),
                &text("POST"),
                &text("default")
            ),
            (
                &text("anthropic_messages"),
                &text("blocked_class"),
                &text("POST"),
                &text("default")
            ),
            (
                &text("unknown_path"),
                &text("unknown_path"),
                &text("other"),
                &text("default")
            ),
            (
                &text("anthropic_messages"),
                null,
                &text("POST"),
                &text("watched")
            ),
        ]
    );
    assert_eq!(
        exchanges[3]["findings"][0],
        json!({ "class": "jwt", "count": 1, "done": "blocked" })
    );
    assert_eq!(exchanges[5]["findings"][0]["done"], "reported");

    let [refused] = of("connection")[..] else {
        anyhow::bail!("{records:?}")
    };
    assert_eq!(
        (&refused["refused"], &refused["by"]),
        (&json!("plain_http"), &json!("agent"))
    );
    assert!(
        agent
            .log()?
            .contains(refused["id"].as_str().context("an id")?)
    );

    let told = fs::read_to_string(&file)? + &agent.log()?;
    assert_eq!(canary::leaks(told.as_bytes()), [""; 0]);
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o640);
    Ok(())
}

#[test]
fn what_the_client_does_not_take_is_recorded_as_cut() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(&world, &options(&file, ""))?;
    let client = world.client(&agent.bundle());
    let body = json!({ "model": "stub-slow", "stream": true, "max_tokens": 9, "messages": [{ "role": "user", "content": TEXT.repeat(200) }] });
    let ran = client.curl([
        "--max-time",
        "1",
        "--no-buffer",
        "--data",
        &body.to_string(),
        MESSAGES,
    ])?;
    assert_eq!(ran.status.code(), Some(28), "curl gave up: {ran:?}");
    let record = records(&file, 1)?.remove(0);
    assert_eq!(
        (&record["answer"], &record["status"]),
        (&json!("cut"), &json!(200)),
        "{record}"
    );
    assert!(record["ms"].as_u64() >= Some(500), "{record}");
    Ok(())
}

#[test]
fn a_client_that_goes_before_its_answer_is_recorded() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let mut options = options(&file, "");
    options.tables += &format!(
        "\n[[hosts]]\nhost = \"*.{}\"\nprotocol = \"anthropic\"",
        flaw::DOMAIN
    );
    let agent = Agent::start(&world, &options)?;
    let host = format!("hang.{}", flaw::DOMAIN);
    for version in ["--http1.1", "--http2"] {
        let ran = world.client(&agent.bundle()).curl([
            version,
            "--max-time",
            "1",
            "--data",
            &json!({ "model": "stub", "messages": [{ "role": "user", "content": TEXT }] })
                .to_string(),
            "--resolve",
            &format!("{host}:443:198.51.100.11"),
            &format!("https://{host}/v1/messages"),
        ])?;
        assert_eq!(ran.status.code(), Some(28), "curl gave up: {ran:?}");
    }
    for record in records(&file, 2)? {
        assert_eq!(
            (&record["answer"], &record["status"]),
            (&json!("cut"), &Value::Null),
            "{record}"
        );
        assert!(record["sent_bytes"].as_u64() > Some(0), "{record}");
    }
    agent.exchanges_after(1)?;
    Ok(())
}

#[test]
fn what_is_cut_when_the_agent_stops_is_recorded() -> Result<()> {
    let mut world = World::new()?;
    world.resolves = true;
    let file = world.dir().join("audit.jsonl");
    let listener = "[[listeners]]\naddress = \"127.0.0.1:15480\"";
    let mut agent = Agent::start(&world, &options(&file, listener))?;
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(60));
    // Longer than the 20 s that open exchanges have.
    let text = "word ".repeat(1500);
    let body = json!({ "model": "stub-slow", "stream": true, "max_tokens": 9, "messages": [{ "role": "user", "content": text }] });
    let body = body.to_string();
    let calls = [
        ("--http1.1", MESSAGES),
        ("--http2", MESSAGES),
        (
            "--http1.1",
            "http://127.0.0.1:15480/api.anthropic.com/v1/messages",
        ),
    ];
    let ran = std::thread::scope(|scope| -> Result<Vec<Ran>> {
        let streams: Vec<_> = calls
            .into_iter()
            .map(|(version, url)| {
                let (client, body) = (&client, &body);
                scope.spawn(move || client.curl([version, "--data", body, url]))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        agent.signal("TERM")?;
        agent.wait()?;
        let join = |stream: std::thread::ScopedJoinHandle<'_, _>| {
            stream
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        streams.into_iter().map(join).collect()
    })?;
    assert!(ran.iter().all(|ran| !ran.status.success()), "{ran:?}");
    let records = records(&file, 3)?;
    let mut cut: Vec<_> = records
        .iter()
        .map(|record| (record["answer"].as_str(), record["http"].as_str()))
        .collect();
    cut.sort_unstable();
    let expected = ["1.1", "1.1", "2"].map(|version| (Some("cut"), Some(version)));
    assert_eq!(cut, expected, "{}", agent.log()?);
    Ok(())
}

#[test]
fn a_file_that_was_rotated_is_opened_anew() -> Result<()> {
    let world = World::new()?;
    let (file, old) = (world.dir().join("audit.jsonl"), world.dir().join("audit.1"));
    let options = options(&file, "");
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, "stub", MESSAGES)?;
    records(&file, 1)?;
    fs::rename(&file, &old)?;
    ask(&client, "stub", MESSAGES)?;
    records(&old, 2)?;
    agent.reload(&world, &options)?;
    ask(&client, "stub", MESSAGES)?;
    assert_eq!((records(&file, 1)?.len(), records(&old, 2)?.len()), (1, 2));
    Ok(())
}

/// Waits for this answer of /ready.
fn becomes(agent: &Agent<'_>, status: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = agent.admin("/ready")?;
        if answer.0 == status {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{answer:?}\n{}", agent.log()?);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Fills a disk of a test's own to its last byte.
fn fill(disk: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut filler = fs::File::create(disk.join("filler"))?;
    while filler.write_all(&[0; 4096]).is_ok() {}
    Ok(())
}

#[test]
fn with_a_full_disk_nothing_leaves_until_there_is_room() -> Result<()> {
    let world = World::new()?;
    let disk = world.small_disk(64 * 1024)?;
    let file = disk.join("audit.jsonl");
    let agent = Agent::start(&world, &options(&file, ""))?;
    let client = world.client(&agent.bundle());
    fill(&disk)?;
    // Its record can't be written: it is known now, and waits.
    assert_eq!(ask(&client, "stub", MESSAGES)?, 200);
    becomes(&agent, 503)?;
    let before = world.upstream.record().requests().len();
    for _ in 0..3 {
        let (status, refused) = call(&client, "stub", MESSAGES)?;
        assert_eq!(status, 503, "{refused}");
        assert!(
            refused.contains("no record of it could be written"),
            "{refused}"
        );
    }
    assert_eq!(world.upstream.record().requests().len(), before);
    assert!(agent.log()?.contains("the audit file can't be written"));
    assert_eq!(agent.exchanges_after(3)?[0]["refused"], "audit_unwritable");

    fs::remove_file(disk.join("filler"))?;
    becomes(&agent, 200)?;
    assert_eq!(ask(&client, "stub", MESSAGES)?, 200);
    let kept = records(&file, 2)?;
    agent.exchanges_after(4)?;
    let logged = agent.exchanges()?;
    assert_eq!(
        (&kept[0]["id"], &kept[1]["id"]),
        (&logged[0]["id"], &logged[4]["id"])
    );
    Ok(())
}

#[test]
fn an_operator_can_decide_that_requests_go_on_unrecorded() -> Result<()> {
    let world = World::new()?;
    let disk = world.small_disk(64 * 1024)?;
    let options = options(&disk.join("audit.jsonl"), "on_failure = \"continue\"");
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    fill(&disk)?;
    for _ in 0..3 {
        assert_eq!(ask(&client, "stub", MESSAGES)?, 200);
    }
    assert!(agent.logs("the audit file can't be written")?);
    assert_eq!(agent.admin("/ready")?.0, 200);
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn without_its_file_the_agent_does_not_start() -> Result<()> {
    let world = World::new()?;
    let config = Agent::prepare(
        &world,
        &options(&world.dir().join("nowhere/audit.jsonl"), ""),
    )?;
    let ran = Agent::command(&world)?
        .args(["run", "--config"])
        .arg(&config)
        .output()?;
    assert!(!ran.status.success());
    let said =
        String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
    assert!(
        said.contains("audit.file") && said.contains("nowhere/audit.jsonl"),
        "{said}"
    );
    Ok(())
}
