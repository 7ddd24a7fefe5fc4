//! Amazon Bedrock by its own SDK: masked and signed again, unmasked from event streams, refused where nobody can sign.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::{Value, json};

const TEXT: &str = "i-0c4a1a57e9b3d51f7 at 10.77.31.8, ada.canary@corp-mail.example é";
const MASKED: &str = "EC2_001 at PRIVATE_IP_001, EMAIL_001 é";
const MODEL: &str = "anthropic.claude-3-haiku-20240307-v1:0";
const ARN: &str =
    "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6";

fn signing(world: &World) -> Result<Options> {
    let file = world.dir().join("aws");
    let text = concat!(
        "[default]\naws_access_key_id = AKID",
        "AGENTEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+",
        "bPxRfiCYEXAMPLEKEY\n"
    );
    std::fs::write(&file, text)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
    Ok(Options {
        tables: format!("[bedrock]\ncredentials_file = \"{}\"", file.display()),
        ..Options::default()
    })
}

#[test]
fn the_sdk_converses_and_streams_as_it_does_without_us() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &signing(&world)?)?;
    let (client, direct) = (world.client(&agent.bundle()), world.direct_client());
    let record = world.upstream.record();
    let call = |ask: &Value| -> Result<Value> {
        let expected = direct.python("bedrock_sdk.py", ask)?;
        record.clear();
        let got = client.python("bedrock_sdk.py", ask)?;
        assert_eq!(got, expected, "{ask}");
        assert_eq!(canary::leaks(&record.everything()), [""; 0], "{ask}");
        Ok(got)
    };
    for model in [MODEL, ARN] {
        for stream in [false, true] {
            for invoke in [false, true] {
                let ask =
                    json!({ "model": model, "text": TEXT, "stream": stream, "invoke": invoke });
                assert_eq!(call(&ask)?["text"], format!("You said: {TEXT}"), "{ask}");
                let seen = record.last().context("the provider got nothing")?;
                let content = &seen.json()["messages"][0]["content"][0]["text"];
                assert_eq!(content, MASKED);
            }
            let ask = json!({ "model": model, "text": "tool 10.77.31.8", "stream": stream });
            assert_eq!(call(&ask)?["tool"], json!({ "text": "tool 10.77.31.8" }));
        }
    }
    Ok(())
}

#[test]
fn a_changed_body_is_signed_as_the_vendors_sdk_would() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &signing(&world)?)?;
    let client = world.client(&agent.bundle());
    client.python("bedrock_sdk.py", &json!({ "model": MODEL, "text": TEXT }))?;
    let seen = world
        .upstream
        .record()
        .last()
        .context("the provider got nothing")?;
    let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
    let said = header("authorization").context("not signed")?.to_owned();
    assert!(
        said.contains(concat!("Credential=AKID", "AGENTEXAMPLE/")),
        "{said}"
    );
    let names = said.split_once("SignedHeaders=").context("no names")?.1;
    let names: Vec<_> = names
        .split(',')
        .next()
        .unwrap_or_default()
        .split(';')
        .collect();
    let headers: Vec<_> = names
        .iter()
        .map(|name| json!([name, header(name)]))
        .collect();
    let request = json!({ "target": seen.target, "body": seen.body.to_vec(), "headers": headers });
    let code = r#"
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
seen = json.loads(sys.argv[1])
headers = dict(seen['headers'])
url = 'https://' + headers['host'] + seen['target']
request = AWSRequest('POST', url, headers=headers, data=bytes(seen['body']))
request.context['timestamp'] = headers['x-amz-date']
secret = 'wJalrXUtnFEMI/K7MDENG+' + 'bPxRfiCYEXAMPLEKEY'
auth = SigV4Auth(Credentials('AKID' + 'AGENTEXAMPLE', secret), 'bedrock', 'eu-central-1')
canonical = auth.canonical_request(request)
print(auth.signature(auth.string_to_sign(request, canonical), request))
"#;
    let expected = client.code_with(code, [request.to_string()])?;
    assert!(
        said.ends_with(&format!("Signature={}", expected.trim())),
        "{said} {expected}"
    );
    Ok(())
}

#[test]
fn without_credentials_only_what_did_not_change_passes_signed() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let record = world.upstream.record();
    let call = |text: &str, token: Option<&str>| -> Result<Value> {
        let ask = json!({ "model": MODEL, "text": text, "token": token });
        client.python("bedrock_sdk.py", &ask)
    };
    let refused = call(TEXT, None)?;
    let error = refused["error"].as_str().unwrap_or_default();
    assert!(error.contains("bedrock.credentials_file"), "{refused}");
    assert_eq!(record.requests().len(), 0);

    assert_eq!(call("plain", None)?["text"], "You said: plain");
    let seen = record.last().context("the provider got nothing")?;
    let said = String::from_utf8_lossy(seen.headers["authorization"].as_bytes()).into_owned();
    assert!(said.contains(concat!("AKID", "CLIENTEXAMPLE")), "{said}");

    let token = concat!("bedrock-api-key-", "YmVkcm9jay5hbWF6b25hd3MuY29t");
    assert_eq!(
        call(TEXT, Some(token))?["text"],
        format!("You said: {TEXT}")
    );
    let seen = record.last().context("the provider got nothing")?;
    assert_eq!(seen.headers["authorization"], format!("Bearer {token}"));
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    Ok(())
}

#[test]
fn the_token_of_temporary_credentials_is_left_alone() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // Tokens of STS have the account in their base64, and beside it whatever makes it a value or not.
    let session = "IQoJb3JpZ2luX2VjYWNjb3VudCA0OTkxODI3MzY0NTAiDIrx";
    let ask = json!({ "model": MODEL, "text": "plain", "session": session });
    let got = client.python("bedrock_sdk.py", &ask)?;
    assert_eq!(got["text"], "You said: plain", "{got}");
    let seen = world.upstream.record().last();
    let seen = seen.context("the provider got nothing")?;
    assert_eq!(seen.headers["x-amz-security-token"], session);
    Ok(())
}

#[test]
fn a_model_that_reads_in_two_ways_is_refused() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for path in [
        "/model/a%2Fb/converse",
        "/model/..%2F..%2Fx/converse",
        "/model/a%252Fb/converse",
        "/model/x/converse/",
        "/model/10.77.31.8/converse",
    ] {
        let url = format!("https://bedrock-runtime.eu-central-1.amazonaws.com{path}");
        let ran = client.curl(["--data", "{}", "--path-as-is", "-w", "%{http_code}", &url])?;
        assert!(ran.stdout.ends_with("403"), "{path} {ran:?}");
        assert!(ran.stdout.contains("AccessDeniedException"), "{ran:?}");
    }
    assert_eq!(world.upstream.record().requests().len(), 0);
    Ok(())
}
