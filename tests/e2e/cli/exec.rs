//! `interceptor exec`: one command under interception, and nothing left when it is over.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use interceptor_tests::agent::{self, Options};
use interceptor_tests::{Agent, World, canary};

/// `exec` with these arguments, told to stop after `STOP` seconds where that is set; then a list of what it left
/// behind. Mounts are its own, since it mounts the BPF file system where there is none.
const SCRIPT: &str = r#"
mkdir -p "$1/run" && mount --bind "$1/run" /run
bin="$2"; shift 2
"$bin" exec "$@" & pid=$!
[ -z "$STOP" ] || { sleep "$STOP"; kill -TERM $pid; }
{ wait $pid; code=$?; } 2>/dev/null
find /run /sys/fs/bpf -path '*interceptor*' >&2
find /sys/fs/cgroup -name "interceptor-exec-$pid" >&2
exit $code
"#;

fn exec(world: &World, args: &[&str]) -> Result<Command> {
    let mut netns = OsString::from("--net=");
    netns.push(world.clients.path());
    let mut command = Command::new("nsenter");
    command
        .arg(netns)
        .args(["unshare", "--mount", "sh", "-c", SCRIPT, "sh"])
        .arg(world.dir())
        .arg(agent::binary()?)
        .args(args)
        // The roots of this machine, for a session without a config.
        .env("SSL_CERT_FILE", world.upstream.ca_file())
        .stdin(Stdio::null());
    Ok(command)
}

/// What a command said that ended with this code and left nothing behind.
fn said(mut command: Command, code: i32) -> Result<String> {
    let output = command.output()?;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8(output.stderr)?
    );
    Ok(String::from_utf8(output.stdout)?)
}

const CURL: [&str; 8] = [
    "curl",
    "--disable",
    "--silent",
    "--resolve",
    "api.anthropic.com:443:198.51.100.11",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "https://api.anthropic.com/v1/messages",
];

fn assert_masked(world: &World, answer: &str) -> Result<()> {
    assert!(answer.contains("You said: at 10.77.31.8"), "{answer}");
    let record = world.upstream.record();
    let seen = record.last().context("nothing came")?;
    assert_eq!(seen.json()["messages"][0]["content"], "at PRIVATE_IP_001");
    assert_eq!(canary::leaks(&record.everything()), [""; 0]);
    Ok(())
}

#[test]
fn a_command_trusts_its_own_session() -> Result<()> {
    let world = World::new()?;
    let answer = said(exec(&world, &[&["--"], &CURL[..]].concat())?, 0)?;
    assert_masked(&world, &answer)
}

#[test]
fn a_commands_children_are_steered_and_end_with_it() -> Result<()> {
    let world = World::new()?;
    let script = r#"(setsid sleep 60 > /dev/null 2>&1 &); ("$@") | cat"#;
    let args = [&["--", "sh", "-c", script, "sh"], &CURL[..]].concat();
    // The list of what is left would name the cgroup that the sleeper is in.
    let answer = said(exec(&world, &args)?, 0)?;
    assert_masked(&world, &answer)
}

#[test]
fn with_a_config_it_uses_that_ca_and_that_policy() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        tables: "[mask.classes]\nprivate_ip = \"block\"".to_owned(),
        ..Options::default()
    };
    let config = Agent::prepare(&world, &options)?;
    let config = config.to_str().context("a path in UTF-8")?;
    let mut command = exec(&world, &[&["--config", config, "--"], &CURL[..]].concat())?;
    command.env_remove("SSL_CERT_FILE");
    let answer = command.output()?;
    assert!(answer.status.success(), "{answer:?}");
    let answer = String::from_utf8(answer.stdout)?;
    assert!(answer.contains("class that policy blocks"), "{answer}");
    assert!(world.upstream.record().requests().is_empty());
    assert!(world.dir().join("ca/ca.pem").exists());
    Ok(())
}

#[test]
fn the_commands_end_is_its_own() -> Result<()> {
    let world = World::new()?;
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
    ] {
        said(exec(&world, &["--", "sh", "-c", script])?, code)?;
    }
    assert_eq!(
        said(exec(&world, &["--", "echo", "--config", "x"])?, 0)?,
        "--config x\n"
    );
    let output = exec(&world, &["--", "/nowhere/at-all"])?.output()?;
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr)?,
        "interceptor: /nowhere/at-all: No such file or directory (os error 2)\n"
    );
    Ok(())
}

#[test]
fn told_to_stop_it_stops_the_command_and_cleans_up() -> Result<()> {
    let world = World::new()?;
    // From before it has begun until the command runs.
    for seconds in ["0.02", "0.1", "0.3", "1.5"] {
        let mut command = exec(&world, &["--", "sleep", "30"])?;
        command.env("STOP", seconds);
        said(command, 143)?;
    }
    Ok(())
}

#[test]
fn without_root_it_says_so() -> Result<()> {
    let refused = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(agent::binary()?)
        .args(["exec", "--", "true"])
        .output()?;
    let error = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("needs root"), "{error}");
    Ok(())
}
