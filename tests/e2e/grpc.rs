//! Gemini over gRPC with Google's library: masked field by field, unmasked message by message, refused in gRPC's own way.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::json;

const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8, ada.canary@corp-mail.example é";

#[test]
fn calls_go_up_masked_and_come_down_with_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    let record = world.upstream.record();
    for stream in [false, true] {
        let ask = json!({ "text": TEXT, "stream": stream });
        let expected = direct.python("grpc_raw.py", &ask)?;
        record.clear();
        let got = client.python("grpc_raw.py", &ask)?;
        assert_eq!(got["text"], expected["text"]);
        assert_eq!(got["text"], format!("You said: {TEXT}"), "{got}");
        assert!(!stream || got["messages"].as_u64() > Some(3), "{got}");
        let seen = record.last().context("the provider got nothing")?;
        let sent = String::from_utf8_lossy(&seen.plain);
        assert!(
            sent.contains("EC2_001 at PRIVATE_IP_001, EMAIL_001 é"),
            "{sent}"
        );
        assert_eq!(seen.headers["te"], "trailers");
        assert_eq!(seen.version, http::Version::HTTP_2);
        let got = client.python("grpc_raw.py", &json!({ "text": "plain", "stream": stream }))?;
        assert_eq!(got["text"], "You said: plain");
        assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    }
    Ok(())
}

#[test]
fn what_cannot_be_masked_is_refused_with_a_status() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[mask.classes]\nemail = \"block\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    for (ask, status, said) in [
        (
            json!({ "text": "ada.canary@corp-mail.example" }),
            "PERMISSION_DENIED",
            "email",
        ),
        (
            json!({ "text": TEXT.repeat(9), "gzip": true }),
            "INVALID_ARGUMENT",
            "compression",
        ),
        // A group, and bytes that are no text.
        (json!({ "hex": "0b0c" }), "INVALID_ARGUMENT", "gRPC"),
        (
            json!({ "hex": "0a03ff00fe" }),
            "INVALID_ARGUMENT",
            "can't be read",
        ),
    ] {
        let got = client.python("grpc_raw.py", &ask)?;
        assert_eq!(got["status"], status, "{ask} {got}");
        let details = got["details"].as_str().unwrap_or_default();
        assert!(
            details.contains(said) && details.contains("interceptor"),
            "{got}"
        );
    }
    let unknown = json!({ "text": TEXT, "method": "BidiGenerateContent" });
    let got = client.python("grpc_raw.py", &unknown)?;
    assert_eq!(got["status"], "PERMISSION_DENIED", "{got}");
    assert_eq!(world.upstream.record().requests().len(), 0);
    Ok(())
}
