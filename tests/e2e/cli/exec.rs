//! `interceptor exec`: one command under interception, and nothing left when it is over.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use interceptor_tests::agent::{self, Options};
use interceptor_tests::{Agent, World, canary};

/// `exec` with these arguments, told to stop after `STOP` seconds where that is set; then a list of what it left
/// behind. Mounts are its own, since it mounts the BPF file system where there is none.
const SCRIPT: &str = r#"
mkdir -p "$1/run" && mount --bind "$1/run" /run && mount --bind "$2" /etc/hosts
bin="$3"; shift 3
$AS "$bin" exec "$@" & pid=$!
[ -z "$STOP" ] || { sleep "$STOP"; kill -TERM $pid; }
{ wait $pid; code=$?; } 2>/dev/null
find /run /sys/fs/bpf -path '*interceptor*' >&2
find /tmp -maxdepth 1 -name "interceptor-exec-$pid-*" >&2
find /sys/fs/cgroup -name "interceptor-exec-$pid-*" >&2
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
        .arg(world.clients.hosts_file())
        .arg(agent::binary()?)
        .args(args)
        // The roots of this machine, for a session without a config.
        .env("SSL_CERT_FILE", world.upstream.ca_file())
        .stdin(Stdio::null());
    Ok(command)
}

/// What a command said that ended well and left nothing behind.
fn said_by(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    Ok(String::from_utf8(output.stdout)?)
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
fn beside_an_agent_with_the_same_config_it_needs_none_of_its_places() -> Result<()> {
    let world = World::new()?;
    let path = world.dir().join("agent.sock");
    let options = Options {
        tables: format!(
            "[[listeners]]\naddress = \"127.0.0.1:15480\"\n[[listeners]]\npath = {path:?}"
        ),
        ..Options::default()
    };
    let _agent = Agent::start(&world, &options)?;
    let config = world.dir().join("interceptor.toml");
    let config = config.to_str().context("a path in UTF-8")?;
    let mut command = exec(&world, &[&["--config", config, "--"], &CURL[..]].concat())?;
    let output = command.env_remove("SSL_CERT_FILE").output()?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(0), "{told}");
    // Nothing but the log, which the config asks for.
    assert!(told.lines().all(|line| line.starts_with('{')), "{told}");
    assert!(told.contains("\"backend\":\"ebpf\""), "{told}");
    let answer = String::from_utf8(output.stdout)?;
    assert!(answer.contains("You said: at 10.77.31.8"), "{answer}");
    Ok(())
}

#[test]
fn where_it_cannot_begin_it_says_why_and_leaves_nothing() -> Result<()> {
    let world = World::new()?;
    let without = world.dir().join("without-cgroups");
    std::fs::write(&without, "umount -a -l -t cgroup2 && exec \"$@\"")?;
    let mut command = exec(&world, &["--via", "ebpf", "--", "true"])?;
    command.env("AS", format!("sh {}", without.display()));
    let output = command.output()?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("no cgroup-v2 file system is mounted"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "something was left: {told}");
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

/// As whom, where the command can't be steered: a user, and root in a container.
const POWERLESS: [&str; 2] = [
    "setpriv --reuid=1000 --regid=1000 --clear-groups",
    "setpriv --bounding-set -all --inh-caps -all",
];

#[test]
fn a_quit_is_for_the_command_and_the_agent_dumps_no_core() -> Result<()> {
    let world = World::new()?;
    // The files of a process belong to root where it may not dump core (proc(5)).
    let script = "kill -QUIT $PPID; sleep 0.3; stat -c %u /proc/$PPID/stat /proc/$$/stat; exit 7";
    let mut command = exec(&world, &["--via", "proxy", "--", "sh", "-c", script])?;
    command.env("AS", POWERLESS[0]);
    assert_eq!(said(command, 7)?, "0\n1000\n");
    Ok(())
}

/// What follows a proxy has no use for a name of its own.
const PROXIED_CURL: [&str; 6] = [
    "curl",
    "--disable",
    "--silent",
    "--data",
    CURL[6],
    "https://api.anthropic.com/v1/messages",
];

#[test]
fn without_privilege_a_command_gets_a_proxy_and_is_told_what_that_is_worth() -> Result<()> {
    let world = World::new()?;
    for who in POWERLESS {
        let mut command = exec(&world, &[&["--"], &PROXIED_CURL[..]].concat())?;
        let output = command.env("AS", who).output()?;
        let told = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(0), "{who}: {told}");
        assert_masked(&world, &String::from_utf8(output.stdout)?)?;
        assert!(
            told.contains("ONLY WHAT FOLLOWS HTTPS_PROXY IS MASKED"),
            "{told}"
        );
        let remedy = if who.contains("reuid") {
            "sudo"
        } else {
            "CAP_BPF"
        };
        assert!(told.contains(remedy), "{told}");
        assert_eq!(told.lines().count(), 2, "nothing was left behind: {told}");
        world.upstream.record().clear();
    }
    Ok(())
}

#[test]
fn a_proxy_is_chosen_or_forbidden_by_hand() -> Result<()> {
    let world = World::new()?;
    let args = [&["--via", "proxy", "--"], &PROXIED_CURL[..]].concat();
    // Whoever chose it knows; nothing is said, and nothing left behind.
    assert_masked(&world, &said(exec(&world, &args)?, 0)?)?;
    for who in POWERLESS {
        let mut command = exec(&world, &["--via", "ebpf", "--", "true"])?;
        let refused = command.env("AS", who).output()?;
        let error = String::from_utf8(refused.stderr)?;
        assert_eq!(refused.status.code(), Some(1), "{error}");
        assert!(error.contains("needs root"), "{error}");
    }
    Ok(())
}

#[test]
fn through_its_proxy_other_hosts_and_other_clients_work() -> Result<()> {
    let world = World::new()?;
    let script = r#"
curl -s --cacert "$1" https://www.example.com/ -o /dev/null -w '%{http_code} %{proxy_ssl_verify_result}\n'
unset HTTPS_PROXY https_proxy
curl -s --data "$2" "$INTERCEPTOR_URL/api.anthropic.com/v1/messages"
"#;
    let ca = world.upstream.ca_file();
    let ca = ca.to_str().context("a path in UTF-8")?;
    let args = [
        "--via", "proxy", "--", "sh", "-c", script, "sh", ca, CURL[6],
    ];
    for who in ["", POWERLESS[0]] {
        let mut command = exec(&world, &args)?;
        let answer = said_by(command.env("AS", who))?;
        let (status, answer) = answer.split_once('\n').context("two lines")?;
        assert!(status.starts_with("200"), "{status}");
        assert_masked(&world, answer)?;
    }
    Ok(())
}

#[test]
fn a_users_proxy_is_that_users_alone() -> Result<()> {
    let world = World::new()?;
    // Another user's client, led to the same proxy.
    let script = r#"
exec setpriv --reuid=1001 --regid=1001 --clear-groups \
    curl -s --data "$1" "$INTERCEPTOR_URL/api.anthropic.com/v1/messages"
"#;
    let inner = "setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps +setuid,+setgid --ambient-caps +setuid,+setgid";
    let mut command = exec(
        &world,
        &["--via", "proxy", "--", "sh", "-c", script, "sh", CURL[6]],
    )?;
    let output = command.env("AS", inner).output()?;
    let answer = String::from_utf8(output.stdout)?;
    assert!(
        answer.contains("other_user"),
        "{answer} {:?}",
        output.stderr
    );
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}
