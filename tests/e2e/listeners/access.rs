//! Beyond this machine: a token, and nothing in the clear.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World};

use super::{assert_answered, assert_masked, call, listener};

/// The clients' own address on the cable: whoever is at its other end is on another machine.
const PROXY: &str = "http://198.51.100.2:15480";

const TOKEN: &str = "7c1f0d54a8b94e6c93d2f1";
const NEXT: &str = "f00dfeed5a8b94e6c93d2f1";

fn token_file(world: &World, token: &str, mode: u32) -> Result<PathBuf> {
    let path = world.dir().join("token");
    std::fs::write(&path, format!("{token}\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    Ok(path)
}

fn with_token(path: &std::path::Path) -> Options {
    listener(&format!(
        "address = \"198.51.100.2:15480\"\ntoken_file = \"{}\"",
        path.display()
    ))
}

#[test]
fn without_the_token_nothing_is_served() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &with_token(&token_file(&world, TOKEN, 0o600)?))?;
    let client = world.client_in(&world.provider, &agent.bundle());
    let url = "https://api.anthropic.com/v1/messages";
    let with = |token: &str| format!("http://any:{token}@198.51.100.2:15480");
    let wrong = [PROXY.to_owned(), with(NEXT), with(&TOKEN[1..]), with("")];
    for proxy in &wrong {
        let refused = call(&client, ["-x", proxy], url)?;
        assert_eq!(refused.status.code(), Some(56), "{refused:?}");
        assert!(refused.stderr.contains("407"), "{refused:?}");
    }
    let base = format!("{PROXY}/api.anthropic.com/v1/messages");
    let refused = call(&client, ["-x", "", "--write-out", "%{http_code}"], &base)?;
    assert!(refused.stdout.ends_with("407"), "{refused:?}");
    assert_eq!(world.upstream.record().connections(), 0);
    assert_eq!(
        agent.log()?.matches("\"proxy_auth\"").count(),
        wrong.len() + 1
    );

    assert_answered(&call(&client, ["-x", &with(TOKEN)], url)?, &agent)?;
    let bearer = format!("Proxy-Authorization: Bearer {TOKEN}");
    let ran = call(&client, ["-x", PROXY, "--proxy-header", &bearer], url)?;
    assert_answered(&ran, &agent)?;
    // First without, then on the same connection with it.
    let user = format!("any:{TOKEN}");
    let ran = call(&client, ["-x", PROXY, "--proxy-anyauth", "-U", &user], url)?;
    assert_answered(&ran, &agent)?;
    // Prompts would cross the network in the clear.
    let refused = call(&client, ["-x", "", "-H", &bearer], &base)?;
    assert!(refused.stdout.contains("in_the_clear"), "{refused:?}");

    assert_masked(&world, &agent, 3)?;
    let event = agent.exchanges()?.remove(0);
    let peer = event["peer"].as_str().context("an address")?;
    assert!(peer.starts_with("198.51.100."), "{event:#}");
    assert_eq!(event["comm"], "unknown");
    let told = agent.log()? + &agent.metrics()?;
    let encoded = ["YW55OjdjMWYwZDU0YThi", TOKEN, NEXT];
    assert!(encoded.iter().all(|token| !told.contains(token)), "{told}");
    let sent = world.upstream.record().everything();
    assert!(!String::from_utf8_lossy(&sent).contains(TOKEN));
    Ok(())
}

#[test]
fn a_token_that_is_none_stops_the_agent_before_it_listens() -> Result<()> {
    let world = World::on(Backend::Off)?;
    for (token, mode, why) in [
        (TOKEN, 0o644, "others can read the token"),
        ("short", 0o600, "holds no token"),
    ] {
        let options = with_token(&token_file(&world, token, mode)?);
        let config = Agent::prepare(&world, &options)?;
        let mut agent = Agent::spawn(&world, &config)?;
        assert!(!agent.wait()?.success());
        let log = agent.log()?;
        assert!(log.contains(why) && !log.contains(TOKEN), "{log}");
    }
    Ok(())
}

#[test]
fn a_reload_takes_a_new_token_and_new_others_and_no_new_address() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let file = token_file(&world, TOKEN, 0o600)?;
    let agent = Agent::start(&world, &with_token(&file))?;
    let client = world.client_in(&world.provider, &agent.bundle());
    let status = |token: &str, url: &str| -> Result<String> {
        let proxy = format!("http://any:{token}@198.51.100.2:15480");
        let shown = [
            "-x",
            &proxy,
            "-o",
            "/dev/null",
            "--write-out",
            "%{http_connect}",
        ];
        Ok(call(&client, shown, url)?.stdout)
    };
    let (llm, other) = (
        "https://api.anthropic.com/v1/messages",
        "https://198.51.100.50/",
    );
    assert_eq!(status(TOKEN, llm)?, "200");
    assert_eq!(status(TOKEN, other)?, "403");

    token_file(&world, NEXT, 0o600)?;
    let mut options = with_token(&file);
    options.tables += "\nothers = \"pass\"";
    agent.reload(&world, &options)?;
    assert_eq!(status(TOKEN, llm)?, "407");
    assert_eq!(status(NEXT, llm)?, "200");
    assert_eq!(status(NEXT, other)?, "200");

    options.tables = options.tables.replace(":15480", ":15481");
    agent.reload(&world, &options)?;
    assert_eq!(status(NEXT, other)?, "200", "it is where it was, as it was");
    let log = agent.log()?;
    assert!(log.contains("\"key\":\"listeners\""), "{log}");

    // A file that has become bad changes nothing either.
    token_file(&world, TOKEN, 0o644)?;
    agent.reload(&world, &with_token(&file))?;
    assert_eq!(status(NEXT, llm)?, "200");
    assert_eq!(status(TOKEN, llm)?, "407");
    Ok(())
}
