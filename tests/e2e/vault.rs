//! The vault: what providers keep comes back with values, after a crash too, and never with another's or an expired one.

mod stores;

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::{Options, binary};
use interceptor_tests::redis::{self, Redis};
use interceptor_tests::{Agent, World, canary, client::Client};
use serde_json::{Value, json};

const RESPONSES: &str = "https://api.openai.com/v1/responses";
const KEPT: &str = "https://api.openai.com/v1/responses/resp_stub";
const FILES: &str = "https://api.openai.com/v1/files";
const FILE: &str = "https://api.openai.com/v1/files/file-stub/content";
const ID: &str = "i-0c4a1a57e9b3d51f7";

/// A config with a vault of these lines.
fn with_vault(world: &World, lines: &str) -> Result<Options> {
    let key = world.dir().join("vault.key");
    if !key.exists() {
        let mut make = std::process::Command::new(binary()?);
        let made = make.args(["vault", "key"]).arg(&key).output()?;
        ensure!(made.status.success(), "{made:?}");
    }
    let (key, tables) = (key.display(), lines);
    Ok(Options {
        tables: format!("[vault]\nkey_file = \"{key}\"\n{tables}"),
        ..Options::default()
    })
}

fn embedded(world: &World) -> Result<Options> {
    let path = world.dir().join("vault");
    with_vault(world, &format!("path = \"{}\"", path.display()))
}

fn on_redis(world: &World) -> Result<Options> {
    let password = world.dir().join("redis.password");
    std::fs::write(&password, format!("{}\n", redis::PASSWORD))?;
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600))?;
    let (socket, password) = (redis::socket(world.dir()), password.display());
    let lines = format!(
        "redis = \"unix://{}\"\nredis_password_file = \"{password}\"",
        socket.display()
    );
    with_vault(world, &lines)
}

/// The answer's text to a text, and its status.
fn ask(client: &Client, body: &Value) -> Result<(u16, String)> {
    let (status, answer, _) = client.answer(["--json", &body.to_string(), RESPONSES])?;
    Ok((status, answer))
}

fn text(answer: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(answer).with_context(|| answer.to_owned())?;
    let text = &answer["output"][0]["content"][0]["text"];
    Ok(text
        .as_str()
        .with_context(|| answer.to_string())?
        .to_owned())
}

/// The text of a stream: its deltas.
fn streamed(events: &str) -> Result<String> {
    let mut text = String::new();
    for data in events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
    {
        let event: Value = serde_json::from_str(data)?;
        if event["type"] == "response.output_text.delta" {
            text += event["delta"].as_str().unwrap_or_default();
        }
    }
    Ok(text)
}

/// What the provider got last, in the place of the text.
fn sent(world: &World) -> Result<String> {
    let seen = world.upstream.record().last();
    let seen = seen.context("the provider got nothing")?;
    Ok(seen.json()["input"].as_str().unwrap_or_default().to_owned())
}

fn is_keyed(text: &str) -> bool {
    text.strip_prefix("EC2_").is_some_and(|digits| {
        digits.len() == 18 && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn vault(world: &World, args: &[&str]) -> Result<(bool, String)> {
    let config = world.dir().join("interceptor.toml");
    let mut command = std::process::Command::new(binary()?);
    let ran = command
        .arg("vault")
        .args(args)
        .arg("--config")
        .arg(config)
        .output()?;
    let said = [ran.stdout, ran.stderr].concat();
    Ok((ran.status.success(), String::from_utf8(said)?))
}

#[test]
fn what_is_kept_comes_back_in_other_exchanges() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &embedded(&world)?)?;
    let client = world.client(&agent.bundle());
    let (_, answer) = ask(&client, &json!({ "model": "stub", "input": ID }))?;
    assert_eq!(text(&answer)?, format!("You said: {ID}"));
    let token = sent(&world)?;
    assert!(is_keyed(&token), "{token}");

    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {ID}"));
    let more = json!({ "model": "stub", "input": "more", "previous_response_id": "resp_stub" });
    let (_, answer) = ask(&client, &more)?;
    assert_eq!(text(&answer)?, format!("You said: more after {ID}"));
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    assert_eq!(sent(&world)?, token, "the same value, the same token");
    for model in ["stub", "stub-cut", "stub-gzip"] {
        ask(&client, &json!({ "model": "stub", "input": ID }))?;
        let mut more = more.clone();
        (more["stream"], more["model"]) = (json!(true), json!(model));
        let (_, events, _) = client.answer(["--json", &more.to_string(), RESPONSES])?;
        assert_eq!(
            streamed(&events)?,
            format!("You said: more after {ID}"),
            "{model}"
        );
        assert!(!events.contains(&token), "{events}");
    }
    // What keeps nothing is numbered as ever.
    let chat = json!({ "model": "stub", "messages": [{ "role": "user", "content": ID }] });
    let url = "https://api.openai.com/v1/chat/completions";
    client.curl(["--json", &chat.to_string(), url])?;
    let seen = world.upstream.record().last().context("nothing")?.json();
    assert_eq!(seen["messages"][0]["content"], "EC2_001");
    let metrics = agent.metrics()?;
    for result in ["written", "found"] {
        let line = format!("interceptor_vault_total{{result=\"{result}\"}}");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    assert_eq!(canary::leaks(agent.log()?.as_bytes()), [""; 0]);
    Ok(())
}

#[test]
fn a_file_comes_back_byte_for_byte() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &embedded(&world)?)?;
    let client = world.client(&agent.bundle());
    let key = concat!(
        "-----BEGIN RSA ",
        "PRIVATE KEY-----\\nMIIEpQIBAAKCAQEAcanaryO8liQ7x\\nyR5MsXFu9PRzK1w2v3t4s5\\n-----END RSA PRIVATE KEY-----"
    );
    let line = json!({ "custom_id": ID, "method": "POST", "url": "/v1/chat/completions",
        "body": { "model": "m", "messages": [{ "role": "user", "content": "KEY at 10.77.31.8" }] } });
    let line = line.to_string().replace("KEY", key);
    for (name, content) in [
        ("batch.jsonl", format!("{line}\n{line}\n")),
        ("pretty.json", format!("[\n {line},\n {line}\n]\n")),
        ("hosts.csv", format!("host,id\r\na,{ID}\r\n")),
    ] {
        let path = world.dir().join(name);
        std::fs::write(&path, &content)?;
        let file = format!("file=@{}", path.display());
        client.curl(["-F", "purpose=batch", "-F", &file, FILES])?;
        let seen = world.upstream.record().last().context("nothing")?;
        let form = String::from_utf8_lossy(&seen.plain).into_owned();
        assert!(form.contains("EC2_") && !form.contains(ID), "{form}");
        let ran = client.curl([FILE])?;
        assert_eq!(ran.stdout, content, "{name}");
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn a_part_of_a_file_is_asked_for_as_the_whole() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &embedded(&world)?)?;
    let client = world.client(&agent.bundle());
    let path = world.dir().join("ids.txt");
    std::fs::write(&path, format!("at {ID}\n"))?;
    let file = format!("file=@{}", path.display());
    client.curl(["-F", "purpose=batch", "-F", &file, FILES])?;
    let part = ["-H", "Range: bytes=0-9", "-H", "If-Range: \"e\"", FILE];
    let (status, whole, _) = client.answer(part)?;
    assert_eq!((status, whole), (200, format!("at {ID}\n")));
    let seen = world.upstream.record().last().context("nothing")?;
    for name in ["range", "if-range"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    Ok(())
}

#[test]
fn a_literal_stays_one_and_policies_do_not_see_each_others() -> Result<()> {
    let world = World::new()?;
    let mut options = embedded(&world)?;
    options.tables += "\n[[policies]]\nname = \"other\"\nmatch = { uid = [1234] }\n";
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    let token = sent(&world)?;

    let body = json!({ "model": "stub", "input": format!("what is {token}, {ID}?") });
    let (_, answer) = ask(&client, &body)?;
    assert_eq!(text(&answer)?, format!("You said: what is {token}, {ID}?"));
    assert!(sent(&world)?.contains(&format!(", {token}?")), "{token}");
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, text(&answer)?);

    // Who sends the literal under another policy has nothing put back.
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    let other = world.client(&agent.bundle()).uid(1234);
    let (_, kept, _) = other.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {token}"));
    ask(&other, &json!({ "model": "stub", "input": ID }))?;
    assert_ne!(sent(&world)?, token, "its own key");
    Ok(())
}

#[test]
fn what_has_expired_is_not_put_back() -> Result<()> {
    let world = World::new()?;
    let mut options = embedded(&world)?;
    options.tables += "\nretention = \"2s\"";
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    let token = sent(&world)?;
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let (status, kept, _) = client.answer([KEPT])?;
    assert_eq!((status, text(&kept)?), (200, format!("You said: {token}")));
    let (_, said) = vault(&world, &["status", "--json"])?;
    let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    assert_eq!((&said["entries"], &said["expired"]), (&json!(0), &json!(1)));
    assert_eq!(
        vault(&world, &["purge"])?,
        (true, "removed 1 entries\n".to_owned())
    );
    Ok(())
}

#[test]
fn its_commands_count_and_forget_and_show_no_value() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &embedded(&world)?)?;
    let client = world.client(&agent.bundle());
    ask(
        &client,
        &json!({ "model": "stub", "input": format!("{ID} 10.77.31.8") }),
    )?;
    let seen = sent(&world)?;
    let token = seen.split(' ').next().unwrap_or_default();
    let (good, said) = vault(&world, &["status"])?;
    assert!(good && said.contains("entries    2"), "{said}");
    assert_eq!(canary::leaks(said.as_bytes()), [""; 0]);
    assert!(vault(&world, &["forget", token])?.0);
    assert!(!vault(&world, &["forget", token])?.0);
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {token} 10.77.31.8"));
    assert_eq!(vault(&world, &["purge", "--all"])?.1, "removed 1 entries\n");
    let (good, said) = vault(&world, &["key"])?;
    assert!(!good && said.contains("never overwritten"), "{said}");
    assert_eq!(
        canary::leaks(&redis::bytes(&world.dir().join("vault"))?),
        [""; 0]
    );
    drop(agent);

    // A key that others can read is none, and nothing starts with it.
    let key = world.dir().join("vault.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let (good, said) = vault(&world, &["status"])?;
    assert!(!good && said.contains("chmod 600"), "{said}");
    let config = Agent::prepare(&world, &embedded(&world)?)?;
    let mut refused = Agent::spawn(&world, &config)?;
    assert!(!refused.wait()?.success());
    assert!(refused.log()?.contains("chmod 600"));
    Ok(())
}
