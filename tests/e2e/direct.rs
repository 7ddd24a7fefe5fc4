//! The harness itself, with no agent: real clients reach the stub provider, and nothing is left behind.

use anyhow::Result;
use interceptor_tests::World;
use serde_json::{Value, json};

const ANTHROPIC: &str = "https://api.anthropic.com/v1/messages";
const OPENAI: &str = "https://api.openai.com/v1/chat/completions";

fn ask(model: &str, text: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": text }]);
    json!({ "model": model, "max_tokens": 99, "stream": stream, "messages": messages }).to_string()
}

#[test]
fn curl_reaches_the_provider_over_each_http_and_ip_version() -> Result<()> {
    let world = World::new()?;
    let client = world.direct_client();
    let mut hosts = 0;
    for (http, version) in [
        ("--http1.1", http::Version::HTTP_11),
        ("--http2", http::Version::HTTP_2),
    ] {
        for (ip, address) in [("-4", "::ffff:198.51.100.2"), ("-6", "2001:db8::2")] {
            for (host, url) in [("api.anthropic.com", ANTHROPIC), ("api.openai.com", OPENAI)] {
                let ran = client.curl([http, ip, "--data", &ask("stub", "hello", false), url])?;
                assert!(ran.status.success(), "{ran:?}");
                assert!(ran.stdout.contains("You said: hello"), "{ran:?}");
                let seen = world.upstream.record().last().expect("it was recorded");
                assert_eq!((seen.sni.as_deref(), seen.version), (Some(host), version));
                assert_eq!(seen.peer.ip(), address.parse::<std::net::IpAddr>()?);
                assert_eq!(seen.json()["messages"][0]["content"], "hello");
                hosts += 1;
            }
        }
    }
    assert_eq!(world.upstream.record().requests().len(), hosts);
    Ok(())
}

#[test]
fn every_knob_of_the_stub_keeps_the_stream_readable() -> Result<()> {
    let world = World::new()?;
    let client = world.direct_client();
    for model in [
        "stub",
        "stub-slow",
        "stub-cut",
        "stub-gzip",
        "stub-br-cut",
        "stub-zstd",
        "stub-deflate",
    ] {
        for url in [ANTHROPIC, OPENAI] {
            let ran = client.curl([
                "--no-buffer",
                "--compressed",
                "--data",
                &ask(model, "ab\"\\é€😀 z", true),
                url,
            ])?;
            let said: String = ran
                .stdout
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
                .filter_map(|event| {
                    let delta = if url == OPENAI {
                        &event["choices"][0]["delta"]["content"]
                    } else {
                        &event["delta"]["text"]
                    };
                    delta.as_str().map(str::to_owned)
                })
                .collect();
            assert_eq!(said, "You said: ab\"\\é€😀 z", "{model} {url} {ran:?}");
        }
    }
    let ran = client.curl([
        "--write-out",
        "%{http_code}",
        "--data",
        &ask("stub-429", "hello", false),
        OPENAI,
    ])?;
    assert!(
        ran.stdout.contains("can't answer: hello") && ran.stdout.ends_with("429"),
        "{ran:?}"
    );
    Ok(())
}

#[test]
fn python_sdks_reach_the_provider_plain_and_streaming() -> Result<()> {
    let world = World::new()?;
    let client = world.direct_client();
    for stream in [false, true] {
        for script in ["anthropic_sdk.py", "openai_sdk.py"] {
            let said = client.python(
                script,
                &json!({ "model": "stub", "text": "hi", "stream": stream }),
            )?;
            assert_eq!(said["text"], "You said: hi", "{script} {said}");
            let called = client.python(
                script,
                &json!({ "model": "stub-tool", "text": "a\"b", "stream": stream }),
            )?;
            assert_eq!(
                called["tool"],
                json!({ "text": "a\"b" }),
                "{script} {called}"
            );
        }
        let thought = client.python(
            "anthropic_sdk.py",
            &json!({ "model": "stub-thinking", "text": "x", "stream": stream }),
        )?;
        assert_eq!(thought["thinking"], "They said: x");
        assert!(
            thought["signature"]
                .as_str()
                .is_some_and(|signature| signature.len() > 20)
        );
    }
    let refused = client.python(
        "anthropic_sdk.py",
        &json!({ "model": "stub-400", "text": "x" }),
    )?;
    assert_eq!(refused["error"]["status"], 400);
    Ok(())
}

#[test]
fn a_client_runs_in_the_cgroup_as_the_user_asked_for() -> Result<()> {
    let world = World::new()?;
    let client = world.client(world.upstream.ca_file()).uid(65534);
    let ran = client.run("sh", ["-c", "id -u; cat /proc/self/cgroup; echo $$"])?;
    let cgroup = world.cgroup.config_path();
    assert!(
        ran.stdout.starts_with("65534\n") && ran.stdout.contains(&cgroup),
        "{ran:?}"
    );
    assert!(ran.stdout.ends_with(&format!("{}\n", ran.pid)), "{ran:?}");
    Ok(())
}

#[test]
fn a_world_leaves_nothing_behind() -> Result<()> {
    let world = World::new()?;
    let paths = [
        world.dir().to_owned(),
        world.cgroup.path(),
        world.clients.path(),
    ];
    let mut lingering = world
        .client(world.upstream.ca_file())
        .spawn("sleep", ["60"])?;
    assert!(paths.iter().all(|path| path.exists()));
    drop(world);
    assert!(!lingering.wait()?.success());
    assert_eq!(paths.map(|path| path.exists()), [false; 3]);
    Ok(())
}

#[test]
fn a_run_that_was_killed_is_swept_all_the_same() -> Result<()> {
    // A name that `sweep` takes for a run of ours whose process is gone.
    let gone = u32::MAX;
    let name = format!("ictest-{gone}-0-c");
    let added = std::process::Command::new("ip")
        .args(["netns", "add", &name])
        .status()?;
    assert!(added.success(), "this needs root");
    interceptor_tests::sweep::now(gone)?;
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
    Ok(())
}
