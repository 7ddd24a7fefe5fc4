//! Containers of a real Docker Engine: masked there too, from there, or refused.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Backend, Docker, World, canary};

const CALL: [&str; 5] = [
    "--max-time",
    "10",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

/// The call was answered, its value was masked, and it came from an address that begins like this.
fn assert_masked(world: &World, agent: &Agent<'_>, ran: &Output, from: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&ran.stdout);
    ensure!(
        said.contains("You said: at 10.77.31.8"),
        "{ran:?}\n{}",
        agent.log()?
    );
    let seen = world.upstream.record().last().context("nothing arrived")?;
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    ensure!(text.contains("at PRIVATE_IP_001"), "{text}");
    let peer = seen.peer.ip().to_canonical().to_string();
    ensure!(peer.starts_with(from), "{peer} is not {from}");
    Ok(())
}

/// curl could not connect, and nothing came to the provider.
fn assert_refused(world: &World, call: impl Fn() -> Result<Output>) -> Result<()> {
    let before = world.upstream.record().connections();
    let ran = call()?;
    ensure!(ran.status.code() == Some(7), "{ran:?}");
    assert_eq!(world.upstream.record().connections(), before);
    Ok(())
}

#[test]
fn a_container_is_masked_refused_without_us_and_masked_again() -> Result<()> {
    let world = World::on(Backend::Ebpf)?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let docker = Docker::start(&world)?;
    docker.network("cable", "198.51.100.160/28")?;
    let own = "198.51.100.16";
    // Its first act, and all of it.
    let first = docker.curl_once("cable", &CALL)?;
    assert_masked(&world, &agent, &first, own)?;

    let container = docker.container("cable")?;
    assert_masked(&world, &agent, &docker.curl(&container, &CALL)?, own)?;
    let last = agent.exchanges()?.pop().context("no exchange")?;
    assert_eq!(last["container"], container.as_str(), "{last:#}");
    assert_eq!(last["uid"], 1000, "{last:#}");

    agent.kill()?;
    assert_refused(&world, || docker.curl(&container, &CALL))?;
    assert_refused(&world, || docker.curl_once("cable", &CALL))?;
    agent = Agent::start(&world, &Options::default())?;
    assert_masked(&world, &agent, &docker.curl(&container, &CALL)?, own)?;
    docker.run(["restart", "--time", "0", &container])?;
    assert_masked(&world, &agent, &docker.curl(&container, &CALL)?, own)?;
    agent.upgrade()?;
    assert_masked(&world, &agent, &docker.curl(&container, &CALL)?, own)?;

    docker.run(["rm", "--force", &container])?;
    let deadline = Instant::now() + Duration::from_secs(40);
    while !agent
        .metrics()?
        .contains("interceptor_network_namespaces 1\n")
    {
        ensure!(Instant::now() < deadline, "{}", agent.metrics()?);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn what_a_container_cant_reach_it_cant_reach_through_us() -> Result<()> {
    let world = World::on(Backend::Ebpf)?;
    let agent = Agent::start(&world, &Options::default())?;
    let docker = Docker::start(&world)?;
    // Of the host itself, which may: a connection to the provider is in the pool.
    let host = docker.curl_once("host", &CALL)?;
    assert_masked(&world, &agent, &host, "198.51.100.2")?;

    docker.network("fenced", "198.51.100.176/28")?;
    let fence = |rule: &str| -> Result<()> {
        let done = Command::new("ip")
            .args(["netns", "exec", world.clients.name(), "nft", rule])
            .output()?;
        ensure!(done.status.success(), "{done:?}");
        Ok(())
    };
    fence(
        "table inet fence { chain forward { type filter hook forward priority 0; \
         ip saddr 198.51.100.176/28 reject; }; }",
    )?;
    let before = world.upstream.record().connections();
    for network in ["fenced", "none"] {
        let ran = docker.curl_once(network, &CALL)?;
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(!said.contains("You said"), "{network}: {ran:?}");
        assert_eq!(world.upstream.record().connections(), before, "{network}");
    }
    fence("delete table inet fence")?;
    let free = docker.curl_once("fenced", &CALL)?;
    assert_masked(&world, &agent, &free, "198.51.100.17")?;
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn containers_are_under_the_policy_of_their_image() -> Result<()> {
    let world = World::on(Backend::Ebpf)?;
    let docker = Docker::start(&world)?;
    docker.network("cable", "198.51.100.160/28")?;
    let (watched, confined) = (
        "registry.example/agents/watched:1",
        "registry.example/confined",
    );
    docker.tag(watched)?;
    docker.tag(confined)?;
    let options = Options {
        tables: r#"
[[policies]]
name = "watched"
match.image = ["registry.example/agents/*"]
mode = "report-only"
[[policies]]
name = "confined"
match = { image = ["registry.example/confined"], container = ["*"], uid = [1000] }
hosts = ["api.openai.com"]
"#
        .to_owned(),
        ..Options::default()
    };
    let config = Agent::prepare(&world, &options)?;
    let agent = Agent::spawn(&world, &config)?;
    agent.wait_until_ready()?;
    let first = docker.curl_once("cable", &CALL)?;
    assert_masked(&world, &agent, &first, "198.51.100.16")?;
    let seen = || world.upstream.record().requests().len();
    let before = seen();

    let ran = docker.curl_once_of(watched, "cable", &CALL)?;
    let last = agent.exchanges_after(1)?.pop().context("no exchange")?;
    assert_eq!(
        (&last["policy"], &last["image"]),
        (&"watched".into(), &watched.into()),
        "{last:#}"
    );
    let text = world.upstream.record().last().context("nothing arrived")?;
    assert!(
        String::from_utf8_lossy(&text.body).contains("at 10.77.31.8"),
        "{ran:?}"
    );

    let ran = docker.curl_once_of(confined, "cable", &CALL)?;
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        said.contains("does not let this process call this host"),
        "{ran:?}\n{}",
        agent.log()?
    );
    assert_eq!(seen(), before + 1);
    Ok(())
}
