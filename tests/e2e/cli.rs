//! The commands, run as a user runs them.

mod exec;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};
use interceptor_tests::agent;
use serde_json::{Value, json};

/// A command with something on its standard input.
fn pipe(args: &[&str], input: &str) -> Result<Output> {
    let mut child = Command::new(agent::binary()?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no pipe")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    Ok(child.wait_with_output()?)
}

fn stdout(output: Output) -> Result<String> {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr)?, "");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn every_command_explains_itself() -> Result<()> {
    let all = stdout(pipe(&["--help"], "")?)?;
    for command in [
        "run",
        "exec",
        "check",
        "scan",
        "mask",
        "unmask",
        "ca",
        "status",
        "uninstall",
    ] {
        assert!(all.contains(&format!("\n  {command} ")), "{all}");
        let help = stdout(pipe(&[command, "--help"], "")?)?;
        assert!(
            help.contains(&format!("Usage: interceptor {command}")),
            "{help}"
        );
        assert!(
            help.lines().next().is_some_and(|line| line.len() > 20),
            "{help}"
        );
    }
    for command in ["init", "show"] {
        let help = stdout(pipe(&["ca", command, "--help"], "")?)?;
        assert!(help.contains("--config <FILE>"), "{help}");
    }
    for args in [
        &["nonsense"][..],
        &["run"],
        &["run", "--nonsense"],
        &["exec"],
        &["unmask", "--stream"],
    ] {
        let refused = pipe(args, "")?;
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(
            refused.stdout.is_empty() && !refused.stderr.is_empty(),
            "{args:?}"
        );
    }
    Ok(())
}

#[test]
fn broken_configs_are_named_and_end_with_1() -> Result<()> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../interceptor-agent/src/config/broken");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.to_str().context("a path in UTF-8")?;
        for command in ["check", "run"] {
            let refused = pipe(&[command, "--config", name], "")?;
            let error = String::from_utf8(refused.stderr)?;
            assert_eq!(refused.status.code(), Some(1), "{command} {name}: {error}");
            let expected = std::fs::read_to_string(path.with_extension("txt"))?;
            let first = expected
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .context("no text")?;
            assert!(error.contains(first.trim()), "{command} {name}: {error}");
        }
        seen += 1;
    }
    assert!(seen >= 10);
    let missing = pipe(&["check", "--config", "/nowhere/interceptor.toml"], "")?;
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr)?.contains("/nowhere/interceptor.toml"));
    Ok(())
}

#[test]
fn scan_reads_lines_and_writes_lines() -> Result<()> {
    let input = concat!(
        r#"{"id":"a","text":"é i-0123456789abcdef0"}"#,
        "\nnothing\nmail ada@corp-mail.example\n"
    );
    let said = stdout(pipe(&["scan"], input)?)?;
    let lines: Vec<Value> = said
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 3, "{said}");
    let first = &lines[0];
    assert_eq!(first["id"], "a");
    let found = &first["findings"][0];
    // Bytes, and é is two of them.
    assert_eq!(
        (&found["class"], &found["start"], &found["end"]),
        (&json!("ec2_instance"), &json!(3), &json!(22))
    );
    assert_eq!(lines[1]["findings"], json!([]));
    assert_eq!(lines[2]["findings"][0]["class"], "email");
    Ok(())
}

#[test]
fn mask_and_unmask_are_each_others_inverse() -> Result<()> {
    let map = std::env::temp_dir().join(format!("ictest-map-{}", std::process::id()));
    let map = map.to_str().context("a path in UTF-8")?;
    let text = "stop i-0123456789abcdef0 at 10.77.31.8\n";
    let masked = stdout(pipe(&["mask", "--map", map], text)?)?;
    assert_eq!(masked, "stop EC2_001 at PRIVATE_IP_001\n");
    assert_eq!(stdout(pipe(&["unmask", "--map", map], &masked)?)?, text);

    let body = json!({ "model": "m", "max_tokens": 1.0, "messages": [{ "role": "user", "content": text }] }).to_string();
    let masked = stdout(pipe(
        &["mask", "--protocol", "anthropic", "--map", map],
        &body,
    )?)?;
    assert!(
        masked.contains("EC2_001") && masked.contains("1.0") && !masked.contains("10.77"),
        "{masked}"
    );
    let delta = |text| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    let stream: String = ["EC", "2_0", "01 is down"]
        .map(|text| format!("event: content_block_delta\ndata: {}\n\n", delta(text)))
        .concat();
    let args = [
        "unmask",
        "--map",
        map,
        "--protocol",
        "anthropic",
        "--stream",
    ];
    let unmasked = stdout(pipe(&args, &stream)?)?;
    assert!(
        unmasked.contains("i-0123456789abcdef0") && unmasked.contains(" is down"),
        "{unmasked}"
    );
    std::fs::remove_file(map)?;

    let refused = pipe(
        &["mask", "--protocol", "anthropic"],
        "stop i-0123456789abcdef0",
    )?;
    let error = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stdout.is_empty() && !error.contains("i-0123456789"),
        "{error}"
    );
    Ok(())
}
