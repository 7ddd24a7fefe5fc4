//! Providers that can't be reached, trusted or understood: the client is told, and its request stays here.

use std::time::{Duration, Instant};

use anyhow::Result;
use interceptor_agent::tls::ca;
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::upstream::flaw;
use interceptor_tests::{Agent, Backend, World, canary};
use serde_json::Value;

const REQUEST: &str = r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"hostile-mark at 10.77.31.8"}]}"#;

/// The agent takes every flawed name for an LLM host.
fn options() -> Options {
    Options {
        steering: "ports = [443, 8443]".to_owned(),
        tables: format!(
            "[limits]\nconnect_timeout = \"1s\"\nresponse_timeout = \"1s\"\n\
             [[hosts]]\nhost = \"*.{}\"\nprotocol = \"anthropic\"",
            flaw::DOMAIN
        ),
        ..Options::default()
    }
}

/// What a client of such a provider got: how curl ended, status, body.
fn ask(
    world: &World,
    agent: &Agent<'_>,
    flaw: &str,
    address: &str,
    port: u16,
) -> Result<(u16, String, Ran)> {
    let host = format!("{flaw}.{}", flaw::DOMAIN);
    world.client(&agent.bundle()).answer([
        "--http1.1",
        "--data",
        REQUEST,
        "--resolve",
        &format!("{host}:{port}:{address}"),
        &format!("https://{host}:{port}/v1/messages"),
    ])
}

fn message(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_certificate_that_does_not_verify_gets_nothing() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    for flaw in ["wrong-name", "expired", "self-signed"] {
        let (status, body, ran) = ask(&world, &agent, flaw, "198.51.100.11", 443)?;
        assert_eq!(status, 502, "{flaw} {ran:?}");
        assert!(
            message(&body).contains("certificate was not accepted"),
            "{flaw} {body}"
        );
    }
    assert!(world.upstream.record().everything().is_empty());
    // The same request where the certificate is right.
    let (status, _, ran) = ask(&world, &agent, "none", "198.51.100.11", 443)?;
    assert_eq!(status, 200, "{ran:?}");
    Ok(())
}

#[test]
fn a_ca_that_is_not_trusted_here_gets_nothing() -> Result<()> {
    let world = World::new()?;
    let config = Agent::prepare(&world, &options())?;
    let text = std::fs::read_to_string(&config)?;
    let roots = format!("extra_roots = [\"{}\"]", world.upstream.ca_file().display());
    assert!(text.contains(&roots));
    std::fs::write(&config, text.replace(&roots, ""))?;
    let agent = Agent::spawn(&world, &config)?;
    agent.wait_until_ready()?;
    let (status, body, ran) = ask(&world, &agent, "none", "198.51.100.11", 443)?;
    assert_eq!(status, 502, "{ran:?}");
    assert!(message(&body).contains("tls.extra_roots"), "{body}");
    assert!(world.upstream.record().everything().is_empty());
    Ok(())
}

#[test]
fn a_provider_that_cant_be_reached_is_told_so() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    // Nobody listens; nobody is there.
    for (address, port) in [
        ("198.51.100.11", 8443),
        ("198.51.100.99", 443),
        ("192.0.2.1", 443),
    ] {
        if world.backend == Backend::Nftables && address == "192.0.2.1" {
            // Without a route there is no packet to redirect: the kernel tells the client by itself.
            continue;
        }
        let begun = Instant::now();
        let (status, body, ran) = ask(&world, &agent, "none", address, port)?;
        assert!(matches!(status, 502 | 504), "{address} {ran:?}");
        assert!(message(&body).contains("the provider"), "{body}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{address}");
    }
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}

#[test]
fn an_answer_that_is_none_is_told_so() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    for (flaw, expected) in [
        ("garbage", 502),
        ("close", 502),
        ("two-lengths", 502),
        ("hang", 504),
    ] {
        let (status, body, ran) = ask(&world, &agent, flaw, "198.51.100.11", 443)?;
        assert_eq!(status, expected, "{flaw} {ran:?}");
        assert!(message(&body).contains("the provider"), "{flaw} {body}");
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn an_answer_that_breaks_off_is_told_so() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    for (flaw, expected) in [("cut", 502), ("stall", 504), ("miscoded", 502)] {
        let begun = Instant::now();
        let (status, body, ran) = ask(&world, &agent, flaw, "198.51.100.11", 443)?;
        assert_eq!(status, expected, "{flaw} {ran:?}");
        assert!(message(&body).contains("the provider"), "{flaw} {body}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{flaw}");
    }
    assert!(!agent.log()?.contains("panicked"));
    Ok(())
}

#[test]
fn without_a_ca_that_is_good_it_neither_starts_nor_steers() -> Result<()> {
    let world = World::new()?;
    let config = Agent::prepare(&world, &Options::default())?;
    let dir = world.dir().join("ca");
    let key = std::fs::read(dir.join("intermediate.key"))?;
    for (name, spoil) in [
        (
            "missing",
            &(|| std::fs::remove_file(dir.join("intermediate.key"))) as &dyn Fn() -> _,
        ),
        ("broken", &|| {
            std::fs::write(dir.join("intermediate.key"), "no key")
        }),
        ("readable by others", &|| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(dir.join("intermediate.key"), &key)?;
            std::fs::set_permissions(
                dir.join("intermediate.key"),
                std::fs::Permissions::from_mode(0o644),
            )
        }),
        ("no root", &|| {
            std::fs::write(dir.join("intermediate.key"), &key)?;
            std::fs::remove_file(dir.join("ca.pem"))
        }),
        ("expired", &|| {
            let ended = ca::Options {
                force: true,
                root_days: 0,
                ..ca::Options::default()
            };
            let names = ["api.anthropic.com".to_owned()];
            ca::init(&dir, &names, &ended).map_err(std::io::Error::other)?;
            // Validity is in whole seconds.
            std::thread::sleep(Duration::from_millis(1100));
            Ok(())
        }),
        ("nothing", &|| std::fs::remove_dir_all(&dir)),
    ] {
        spoil()?;
        let error = match Agent::spawn(&world, &config)?.wait_until_ready() {
            Ok(()) => anyhow::bail!("{name}: it started"),
            Err(error) => error.to_string(),
        };
        assert!(
            error.contains(&dir.display().to_string()),
            "{name}: {error}"
        );
        let ran = world
            .client(world.upstream.ca_file())
            .curl(["https://www.example.com/"])?;
        assert!(
            ran.status.success(),
            "{name}: something is steered, {ran:?}"
        );
    }
    Ok(())
}
