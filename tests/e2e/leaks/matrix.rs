//! Every client, content coding, transfer and place in one table: nothing gets out, and answers come back right.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Client, World, canary, coding};
use serde_json::{Value, json};

use super::{HOSTS, assert_nothing_leaked, bodies, reply, said};

const TRANSFERS: [(&str, &[&str]); 3] = [
    ("HTTP/1.1", &["--http1.1"]),
    (
        "chunked",
        &["--http1.1", "--header", "transfer-encoding: chunked"],
    ),
    ("HTTP/2", &["--http2"]),
];

#[test]
fn every_place_coding_and_transfer_with_curl() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let mut wrong = Vec::new();
    for ((host, path), body) in HOSTS.iter().zip([bodies::messages(), bodies::chat()]) {
        let url = format!("https://{host}{path}");
        for coding in [None].into_iter().chain(coding::CODINGS.map(Some)) {
            let file = coded(world.dir(), coding, &body)?;
            for (transfer, options) in TRANSFERS {
                let mut args = as_post(&file, coding, &url);
                args.extend(options.iter().map(OsString::from));
                let ran = client.curl(args)?;
                if said(&ran.stdout, false) != reply() {
                    wrong.push(format!("{host} {coding:?} {transfer}: {ran:?}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0], "{}", agent.log()?);
    assert_eq!(world.upstream.record().requests().len(), 30);
    assert_nothing_shown(&world, &agent)
}

#[test]
fn every_place_with_the_python_sdks_over_each_http_version() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let scripts = [
        ("anthropic_sdk.py", bodies::messages()),
        ("openai_sdk.py", bodies::chat()),
    ];
    for (script, mut body) in scripts {
        let parameters = body.as_object_mut().context("an object")?;
        // What an SDK has no parameter for goes into its `extra_body`.
        let extra = parameters
            .remove("field_of_tomorrow")
            .map(|field| json!({ "field_of_tomorrow": field }));
        parameters.insert("extra_body".into(), extra.context("a field")?);
        let file = world.dir().join("request.json");
        std::fs::write(&file, body.to_string())?;
        for (http2, version) in [
            (false, http::Version::HTTP_11),
            (true, http::Version::HTTP_2),
        ] {
            for stream in [false, true] {
                let ask = json!({ "model": "stub", "text": "", "stream": stream, "http2": http2, "request_file": file });
                let answer = client.python(script, &ask)?;
                assert_eq!(answer["text"], reply(), "{script} {ask} {answer}");
                let seen = world
                    .upstream
                    .record()
                    .last()
                    .context("the provider got it")?;
                assert_eq!(
                    (seen.version, seen.json()["stream"] == true),
                    (version, stream)
                );
            }
        }
    }
    assert_nothing_shown(&world, &agent)
}

#[test]
fn a_header_and_the_target_hold_nothing_either() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let url = "https://api.anthropic.com/v1/messages";
    let body = r#"{"model":"stub","max_tokens":9,"messages":[]}"#;
    // A line break can't stand in a header.
    let texts = bodies::texts()
        .into_iter()
        .filter(|text| !text.contains('\n'));
    let headers: Vec<_> = (0..)
        .zip(texts)
        .map(|(number, text): (u32, _)| format!("x-note-{number}: {text}"))
        .collect();
    for http in ["--http1.1", "--http2"] {
        let headers = headers.iter().flat_map(|header| ["--header", header]);
        let ran = client.curl([http, "--data", body, url].into_iter().chain(headers))?;
        ensure!(ran.stdout.contains("You said"), "{http} {ran:?}");
    }
    assert_nothing_shown(&world, &agent)?;
    let sent = world.upstream.record().requests().len();
    for target in [
        "?note=i-0c4a1a57e9b3d51f7",
        "?i-0c4a1a57e9b3d51f7",
        "?to=ada.canary%40corp-mail.example",
        "?ip=10%2E77.31.8",
    ] {
        refused(&client, &["--data", body, &format!("{url}{target}")])?;
    }
    for kind in ["ec2_instance", "aws_access_key", "google_api_key"] {
        let field = format!("{}: 1", canary::of(kind));
        refused(
            &client,
            &["--http1.1", "--header", &field, "--data", body, url],
        )?;
    }
    for name in [
        "anthropic-beta",
        "anthropic-version",
        "accept",
        "content-type",
    ] {
        let header = format!("{name}: i-0c4a1a57e9b3d51f7");
        client.curl(["--header", &header, "--data", body, url])?;
    }
    assert_eq!(world.upstream.record().requests().len(), sent + 4);
    assert_nothing_shown(&world, &agent)
}

fn refused(client: &Client<'_>, args: &[&str]) -> Result<()> {
    let ran = client.curl(args.iter().chain(&["--write-out", "%{http_code}"]))?;
    ensure!(ran.stdout.ends_with("403"), "{args:?} {ran:?}");
    Ok(())
}

/// Says in which place of which request a canary shows, before it is looked for anywhere else.
fn assert_nothing_shown(world: &World, agent: &Agent<'_>) -> Result<()> {
    for seen in world.upstream.record().requests() {
        let mut shown = Vec::new();
        places(&seen.json(), "", &mut shown);
        ensure!(
            shown.is_empty(),
            "{} {:?} shows {shown:#?}",
            seen.target,
            seen.version
        );
    }
    assert_nothing_leaked(world, agent)
}

fn places(value: &Value, at: &str, shown: &mut Vec<String>) {
    match value {
        Value::String(text) => look(text, at, shown),
        Value::Number(number) => look(&number.to_string(), at, shown),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), shown);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                look(key, &format!("{at}, a key"), shown);
                places(item, &format!("{at}/{key}"), shown);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A text that is JSON itself may hide values behind escapes.
fn look(text: &str, at: &str, shown: &mut Vec<String>) {
    let values = canary::all().iter().map(|canary| canary.value.as_str());
    for value in values.chain(bodies::NUMBERS) {
        if text.contains(value) {
            shown.push(format!("{at}: {value}"));
        }
    }
    if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
        places(&inner, &format!("{at}, JSON"), shown);
    }
}

fn coded(dir: &Path, coding: Option<&str>, body: &Value) -> Result<PathBuf> {
    let plain = body.to_string().into_bytes();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let bytes = match coding {
        Some(coding) => runtime.block_on(coding::encoded(coding, &plain))?,
        None => plain,
    };
    let file = dir.join("body");
    std::fs::write(&file, bytes)?;
    Ok(file)
}

fn as_post(file: &Path, coding: Option<&str>, url: &str) -> Vec<OsString> {
    let mut data = OsString::from("@");
    data.push(file);
    let mut args = vec!["--data-binary".into(), data, url.into()];
    if let Some(coding) = coding {
        args.extend([
            "--header".into(),
            format!("content-encoding: {coding}").into(),
        ]);
    }
    args
}
