//! A destination for which there is no route: the first connect to it learns that late, the others at once.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

use super::{TEXT, assert_masked};
use crate::{audit, known_hosts};

/// What becomes of connects: at once, or after how long.
const TRY: &str = "
import raw, time
def tried(kind, host):
    begun = time.time()
    error = raw.error(lambda: raw.connect(kind, host))
    return error if time.time() - begun < 0.5 else 'late'
";

#[test]
fn without_a_route_clients_are_told_at_connect_and_take_another_address() -> Result<()> {
    let world = World::new()?;
    let container = world.container(101)?;
    container.without_ipv6()?;
    let file = world.dir().join("audit.jsonl");
    let agent = Agent::start(&world, &audit::options(&file, ""))?;
    let client = world.client_in(&container, &agent.bundle());
    let body = format!(
        r#"{{"model":"stub","max_tokens":9,"messages":[{{"role":"user","content":"{TEXT}"}}]}}"#
    );
    // As a client has them whose resolver doesn't ask for routes.
    let ask = [
        "--resolve",
        "api.anthropic.com:443:[2001:db8::11],198.51.100.11",
        "--data",
        &body,
        "https://api.anthropic.com/v1/messages",
    ];
    // Where it had to wait for the agent to listen there, curl would go on by itself.
    let code = known_hosts::ask("v4", "198.51.100.11", "api.anthropic.com");
    assert_masked(&world, &client.code(&code)?);
    let first = client.curl(ask)?;
    assert!(!first.stdout.contains("You said"), "{first:?}");
    let second = client.curl(ask)?;
    assert_masked(&world, &second.stdout);

    let code = "print(tried('v6', '198.51.100.11'), tried('v6', '198.51.100.12'), tried('v4', '198.51.100.11'))";
    let said = client.code(&format!("{TRY}\n{code}"))?;
    let told = ["OSError none none\n", "PermissionError none none\n"];
    assert!(told.contains(&&*said), "{said}");
    // Elsewhere there is a route.
    let elsewhere = world.client(&agent.bundle());
    let code = known_hosts::ask("v6", "198.51.100.11", "api.anthropic.com");
    assert_masked(&world, &elsewhere.code(&code)?);

    let status = known_hosts::status(&world)?;
    assert_eq!(status["counters"]["refused_unreachable"], 2, "{status}");
    assert!(agent.logs("refused_unreachable")?);
    let records = std::fs::read_to_string(&file)?;
    assert!(!records.contains("refused_unreachable"), "{records}");
    Ok(())
}

#[test]
fn who_merely_does_not_answer_is_asked_again() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(
        &world,
        &Options {
            steering: "ports = [443, 8443]".to_owned(),
            ..Options::default()
        },
    )?;
    let client = world.client(&agent.bundle());
    // Nobody has the first address, which the kernel calls unreachable too; nobody listens at the port of the second.
    let code = "
for host, port in ('198.51.100.99', 443), ('198.51.100.11', 8443):
    try:
        raw.tls(raw.connect('v4', host, port), 'www.example.com')
        print('answered')
    except OSError:
        print(raw.error(lambda: raw.connect('v4', host, port)))
";
    let said = client.code(&format!("{TRY}\n{code}"))?;
    assert_eq!(said, "none\nnone\n");
    Ok(())
}
