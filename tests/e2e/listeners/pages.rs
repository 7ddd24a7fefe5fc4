//! A page in a browser on this machine can reach loopback: it gets nothing from a listener.

use anyhow::Result;
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World};

use super::{PROXY, assert_answered, call, loopback};

#[test]
fn requests_of_web_pages_and_for_other_names_are_refused() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback(""))?;
    let client = world.client(&agent.bundle());
    let url = format!("{PROXY}/api.anthropic.com/v1/messages");
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Host: evil.example:15480",
        "Host: api.anthropic.com",
    ] {
        let refused = call(&client, ["-x", "", "-H", header], &url)?;
        assert!(
            refused.stdout.contains("\"web_page\""),
            "{header}: {refused:?}"
        );
    }
    assert_eq!(world.upstream.record().connections(), 0);
    assert_answered(
        &call(&client, ["-H", "Host: localhost:15480"], &url)?,
        &agent,
    )
}

#[test]
fn what_is_no_request_for_an_llm_host_is_explained() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let agent = Agent::start(&world, &loopback("others = \"pass\""))?;
    let client = world.client(&agent.bundle());
    for (arguments, url, code) in [
        (["-x", ""], format!("{PROXY}/v1/messages"), "no_target"),
        (["-x", ""], format!("{PROXY}/"), "no_target"),
        (
            ["-x", ""],
            format!("{PROXY}/api.anthropic.com:8443/v1/messages"),
            "other_port",
        ),
        (
            ["-x", PROXY],
            "http://api.anthropic.com/v1/messages".to_owned(),
            "plain_proxy",
        ),
        (
            ["-x", PROXY],
            "http://www.example.com/".to_owned(),
            "plain_proxy",
        ),
    ] {
        let refused = call(&client, arguments, &url)?;
        assert!(refused.stdout.contains(code), "{url}: {refused:?}");
        assert!(
            refused.stdout.contains("interceptor refused"),
            "{refused:?}"
        );
    }
    // What an exchange refuses is refused here too.
    let url = format!("{PROXY}/api.anthropic.com/v1/unheard-of");
    let refused = call(&client, ["-x", ""], &url)?;
    assert!(refused.stdout.contains("nothing is known"), "{refused:?}");
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}
