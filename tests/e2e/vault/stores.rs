//! Both stores: a crash during writes loses nothing that the provider has, and a store that is gone lets nothing out.

use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Requests that the provider has when the agent is killed, while others are under way.
const MANY: usize = 15;

/// Many write while the agent is killed. For every token that the provider has got, the next agent has the value.
fn survives_a_crash(world: &World, options: &Options) -> Result<()> {
    let mut agent = Agent::start(world, options)?;
    let bundle = agent.bundle();
    let value = |number: usize| format!("i-0c4a1a57e9b3{number:05}");
    thread::scope(|scope| -> Result<()> {
        for writer in 0..3 {
            let client = world.client(&bundle);
            scope.spawn(move || {
                for number in (writer..).step_by(3) {
                    let body =
                        json!({ "model": "stub", "input": format!("{number}: {}", value(number)) });
                    if !matches!(ask(&client, &body), Ok((200, _))) {
                        return;
                    }
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while world.upstream.record().requests().len() < MANY && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        agent.kill()
    })?;
    let seen = world.upstream.record().requests();
    let texts: Vec<_> = seen
        .iter()
        .map(|seen| seen.json()["input"].clone())
        .collect();
    let texts: Vec<_> = texts.iter().filter_map(Value::as_str).collect();
    assert!(texts.len() >= MANY, "{texts:?}");

    let agent = Agent::start(world, options)?;
    let masked = texts.join("\n");
    let file = world.dir().join("kept.txt");
    std::fs::write(&file, &masked)?;
    // Past the agent, so that the provider has the very tokens.
    let upload = format!("file=@{}", file.display());
    world.direct_client().curl(["-F", &upload, FILES])?;
    let ran = world.client(&agent.bundle()).curl([FILE])?;
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), texts.len(), "{ran:?}");
    for (line, text) in lines.iter().zip(&texts) {
        let (number, token) = text.split_once(": ").context("no number")?;
        assert!(is_keyed(token), "{text}");
        assert_eq!(*line, format!("{number}: {}", value(number.parse()?)));
    }
    Ok(())
}

#[test]
fn the_embedded_one_survives_a_crash_of_the_agent() -> Result<()> {
    let world = World::new()?;
    survives_a_crash(&world, &embedded(&world)?)
}

#[test]
fn redis_survives_a_crash_of_the_agent_and_its_own() -> Result<()> {
    let world = World::new()?;
    let server = Redis::start(&world)?;
    let options = on_redis(&world)?;
    survives_a_crash(&world, &options)?;

    world.upstream.record().clear();
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    let token = sent(&world)?;
    assert_eq!(canary::leaks(&server.files()?), [""; 0]);
    let (good, said) = vault(&world, &["status"])?;
    assert!(good, "{said}");
    drop(server);

    // Without it what is kept is neither sent nor read; all else goes on.
    let before = world.upstream.record().requests().len();
    let (status, answer) = ask(&client, &json!({ "model": "stub", "input": ID }))?;
    assert!(
        status == 503 && answer.contains("vault_unavailable"),
        "{status} {answer}"
    );
    assert_eq!(world.upstream.record().requests().len(), before);
    let (status, answer, _) = client.answer([KEPT])?;
    assert!(
        status == 503 && answer.contains("vault_unavailable"),
        "{status} {answer}"
    );
    let chat = json!({ "model": "stub", "messages": [{ "role": "user", "content": ID }] });
    let url = "https://api.openai.com/v1/chat/completions";
    assert_eq!(client.answer(["--json", &chat.to_string(), url])?.0, 200);
    let (good, said) = vault(&world, &["status"])?;
    assert!(!good && said.contains("unusable"), "{said}");

    let server = Redis::start(&world)?;
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {ID}"), "{token}");
    let (good, said) = vault(&world, &["purge", "--all"])?;
    assert!(good && !said.starts_with("removed 0"), "{said}");
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {token}"));
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    drop(server);
    Ok(())
}

#[test]
fn what_has_expired_is_gone_from_redis() -> Result<()> {
    let world = World::new()?;
    let _server = Redis::start(&world)?;
    let mut options = on_redis(&world)?;
    options.tables += "\nretention = \"1s\"";
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    let token = sent(&world)?;
    thread::sleep(Duration::from_millis(1500));
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {token}"));
    let (_, said) = vault(&world, &["status"])?;
    assert!(said.contains("entries    0"), "{said}");
    Ok(())
}

#[test]
fn an_embedded_store_that_can_not_be_written_refuses() -> Result<()> {
    let world = World::new()?;
    let disk = world.small_disk(1 << 20)?;
    let options = with_vault(&world, &format!("path = \"{}\"", disk.display()))?;
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    std::fs::write(disk.join("full"), vec![0; 1 << 20]).unwrap_err();
    let before = world.upstream.record().requests().len();
    let many: Vec<_> = (0..2000)
        .map(|number| format!("i-0c4a1a57e9b3{number:05}"))
        .collect();
    let (status, answer) = ask(
        &client,
        &json!({ "model": "stub", "input": many.join(" ") }),
    )?;
    assert!(
        status == 503 && answer.contains("vault_unavailable"),
        "{status} {answer}"
    );
    assert_eq!(world.upstream.record().requests().len(), before);
    std::fs::remove_file(disk.join("full"))?;
    let (status, _) = ask(&client, &json!({ "model": "stub", "input": ID }))?;
    assert_eq!(status, 200);
    Ok(())
}

#[test]
fn a_successor_knows_what_its_predecessor_kept() -> Result<()> {
    let world = World::on(interceptor_tests::Backend::Ebpf)?;
    let mut agent = Agent::start(&world, &embedded(&world)?)?;
    let client = world.client(&agent.bundle());
    let body =
        json!({ "model": "stub-slow", "stream": true, "input": format!("{ID} ") .repeat(20) });
    let mut slow = client.spawn("curl", ["-sS", "--json", &body.to_string(), RESPONSES])?;
    while world.upstream.record().last().is_none() {
        thread::sleep(Duration::from_millis(10));
    }
    let token = sent(&world)?
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    agent.upgrade()?;
    // The predecessor still has its stream, and the store, open.
    assert!(slow.try_wait()?.is_none(), "its stream is over");
    ask(&client, &json!({ "model": "stub", "input": ID }))?;
    assert_eq!(sent(&world)?, token);
    let (_, kept, _) = client.answer([KEPT])?;
    assert_eq!(text(&kept)?, format!("You said: {ID}"));
    let streamed_on = streamed(&String::from_utf8(slow.wait_with_output()?.stdout)?)?;
    assert_eq!(
        streamed_on,
        format!("You said: {}", format!("{ID} ").repeat(20))
    );
    Ok(())
}
