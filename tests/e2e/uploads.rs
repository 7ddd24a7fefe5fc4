//! Forms and the files in them: masked part by part, media left alone, refused where they can't be read.

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, canary};
use serde_json::Value;

const FILES: [&str; 2] = [
    "https://api.openai.com/v1/files",
    "https://api.anthropic.com/v1/files",
];
const EMBEDDINGS: &str = "https://api.openai.com/v1/embeddings";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\xfd";

fn write(world: &World, name: &str, content: &[u8]) -> Result<String> {
    let path = world.dir().join(name);
    std::fs::write(&path, content)?;
    Ok(path.display().to_string())
}

#[test]
fn a_file_is_masked_with_its_name_and_comes_back_with_values() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let text = "host,id,who\r\na,i-0c4a1a57e9b3d51f7,ada.canary@corp-mail.example\r\n";
    let path = write(&world, "10.77.31.8.csv", text.as_bytes())?;
    for url in FILES {
        for http in ["--http1.1", "--http2"] {
            let file = format!("file=@{path}");
            let ran = client.curl([http, "-F", "purpose=assistants", "-F", &file, url])?;
            let answer: Value =
                serde_json::from_str(&ran.stdout).with_context(|| format!("{ran:?}"))?;
            assert_eq!(answer["filename"], "10.77.31.8.csv");
            assert!(
                answer["text"].as_str().unwrap_or_default().contains(text),
                "{answer}"
            );
            let seen = world
                .upstream
                .record()
                .last()
                .context("the provider got nothing")?;
            let form = String::from_utf8_lossy(&seen.plain);
            assert!(form.contains("a,EC2_001,EMAIL_001\r\n"), "{form}");
            assert!(form.contains("filename=\"PRIVATE_IP_001.csv\""), "{form}");
            assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
        }
    }
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn a_batch_keeps_its_lines_and_an_image_its_bytes() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let line = |text: &str| {
        format!(
            r#"{{"custom_id":"a-1","method":"POST","url":"/v1/chat/completions","body":{{"model":"stub","seed":4111111111111111,"messages":[{{"role":"user","content":"{text}"}}]}}}}"#
        )
    };
    let lines = [line("at 10.77.31.8"), line("plain"), line("at 10.77.31.8")].join("\n");
    let path = write(&world, "batch.jsonl", lines.as_bytes())?;
    client.curl([
        "-F",
        "purpose=batch",
        "-F",
        &format!("file=@{path}"),
        FILES[0],
    ])?;
    let record = world.upstream.record();
    let seen = record.last().context("the provider got nothing")?;
    let form = String::from_utf8_lossy(&seen.plain);
    assert!(
        form.contains(&lines.replace("10.77.31.8", "PRIVATE_IP_001")),
        "{form}"
    );

    let image = write(&world, "a.png", PNG)?;
    let url = "https://api.openai.com/v1/images/edits";
    let image = format!("image=@{image};type=image/png");
    client.curl(["-F", "prompt=at 10.77.31.8", "-F", &image, url])?;
    let seen = record.last().context("the provider got nothing")?;
    assert!(seen.plain.windows(PNG.len()).any(|part| part == PNG));
    let form = String::from_utf8_lossy(&seen.plain);
    assert!(form.contains("\r\n\r\nat PRIVATE_IP_001\r\n"), "{form}");
    Ok(())
}

#[test]
fn what_cannot_be_read_is_refused_unless_policy_lets_it_pass() -> Result<()> {
    let world = World::new()?;
    let zip = write(&world, "a.zip", b"PK\x03\x04\xff i-0c4a1a57e9b3d51f7")?;
    let recording = write(
        &world,
        "a.wav",
        &"10.77.31.8"
            .bytes()
            .flat_map(|byte| [byte, 0])
            .collect::<Vec<_>>(),
    )?;
    let broken = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\nbehind";
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let file = |path: &str, kind: &str| format!("file=@{path};type={kind}");
    let cases = [
        (
            vec!["-F".to_owned(), file(&zip, "application/zip")],
            415,
            "unreadable",
        ),
        (
            vec!["-F".to_owned(), file(&recording, "audio/wav")],
            415,
            "unreadable",
        ),
        (
            vec![
                "-H".to_owned(),
                "Content-Type: multipart/form-data; boundary=b".to_owned(),
                "--data-binary".to_owned(),
                broken.to_owned(),
            ],
            400,
            "not_form",
        ),
    ];
    for (args, status, code) in &cases {
        let ran = client.curl(args.iter().map(String::as_str).chain([
            "-w",
            "\n%{http_code}",
            FILES[0],
        ]))?;
        assert!(ran.stdout.ends_with(&status.to_string()), "{ran:?}");
        assert!(ran.stdout.contains(code), "{ran:?}");
    }
    let ids = r#"{"model":"stub","input":[[791,2937]]}"#;
    let ran = client.curl(["-d", ids, EMBEDDINGS])?;
    assert!(ran.stdout.contains("check_embedding_ctx_length"), "{ran:?}");
    assert_eq!(world.upstream.record().requests().len(), 0);
    drop(agent);

    let tables = "[mask]\nunreadable = \"report\"".to_owned();
    let agent = Agent::start(
        &world,
        &Options {
            tables,
            ..Options::default()
        },
    )?;
    let client = world.client(&agent.bundle());
    client.curl([
        "-F",
        "note=at 10.77.31.8",
        "-F",
        &file(&zip, "application/zip"),
        FILES[0],
    ])?;
    let seen = world
        .upstream
        .record()
        .last()
        .context("the provider got nothing")?;
    let form = String::from_utf8_lossy(&seen.plain);
    assert!(
        form.contains("at PRIVATE_IP_001\r\n") && form.contains("PK\u{3}\u{4}"),
        "{form}"
    );
    assert!(agent.log()?.contains("unreadable"));
    client.curl(["-d", ids, EMBEDDINGS])?;
    let seen = world.upstream.record().last();
    assert_eq!(
        seen.context("the provider got nothing")?.plain,
        ids.as_bytes()
    );
    Ok(())
}
