//! Stand-ins that keep their value's shape, through the real path.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::json;

use crate::leaks::said;

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const CHAT: &str = "https://api.openai.com/v1/chat/completions";
const TEXT: &str =
    "i-0c4a1a57e9b3d51f7 at 10.77.31.8 in 10.77.31.0/24 of ada.canary@corp-mail.example";
const SENT: &str = "i-00000000000000001 at 240.1.16.8 in 240.1.16.0/24 of mail-001@masked.invalid";

#[test]
fn the_provider_sees_the_shape_and_the_client_the_value() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[mask]\nsurrogates = [\"ec2_instance\", \"private_ip\", \"email\"]".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    for url in [MESSAGES, CHAT] {
        for (model, stream) in [("stub", false), ("stub", true), ("stub-cut-gzip", true)] {
            let messages = json!([{ "role": "user", "content": TEXT }]);
            let body =
                json!({ "model": model, "max_tokens": 9, "stream": stream, "messages": messages });
            let ran = client.curl(["--data", &body.to_string(), url])?;
            assert_eq!(
                said(&ran.stdout, stream),
                format!("You said: {TEXT}"),
                "{ran:?}"
            );
            let seen = world.upstream.record().last();
            let seen = seen.map(|seen| seen.json()["messages"][0]["content"].clone());
            assert_eq!(seen, Some(json!(SENT)));
        }
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}
