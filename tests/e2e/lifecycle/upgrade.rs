//! SIGUSR2: a new process goes on in the agent's place; no connect is refused meanwhile, and none escapes.

mod version;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_tests::agent::{Options, is_alive};
use interceptor_tests::{Agent, Client, World, canary, pins};

use super::{call, is_right, slow_stream};
use crate::audit;

/// Calls until a file is there, each on a connection of its own. Whatever is not right is an error.
const CALLS: &str = "
import pathlib, raw, sys
calls = 0
while not pathlib.Path(sys.argv[1]).exists():
    for kind in ('v4', 'v6', 'mapped'):
        answer = raw.exchange(raw.tls(raw.connect(kind)), raw.request('at 10.77.31.8'))
        assert ' 200 OK' in answer and 'You said: at 10.77.31.8' in answer, answer
        calls += 1
print(calls)
";

/// Connects only, as fast as it goes: none may be refused, and none may reach the provider itself.
const CONNECTS: &str = "
import pathlib, raw, sys
connects = 0
while not pathlib.Path(sys.argv[1]).exists():
    sock = raw.connect('v4')
    assert sock.getsockname()[0] == '127.0.0.1', sock
    sock.close()
    connects += 1
print(connects)
";

/// What the clients counted in all, while `meanwhile` went on.
pub fn under_load(
    world: &World,
    clients: &[(&Client<'_>, &str)],
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<Vec<u32>> {
    let over = world.dir().join("over");
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter()
            .map(|(client, code)| scope.spawn(|| client.code_with(code, [&over])))
            .collect();
        let done = meanwhile();
        std::fs::write(&over, "")?;
        done?;
        let counts = running.into_iter().map(|client| {
            let ran = client.join();
            let ran = ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(ran?.trim().parse()?)
        });
        counts.collect()
    })
}

pub fn gone(pid: u32) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        ensure!(Instant::now() < deadline, "{pid} does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn status(world: &World, config: &Path) -> Result<serde_json::Value> {
    let told = Agent::command(world)?
        .args(["status", "--json", "--config"])
        .arg(config)
        .output()?;
    Ok(serde_json::from_slice(&told.stdout)?)
}

#[test]
fn under_load_no_connect_is_refused_and_none_escapes() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let container = world.container(101)?;
    let bundle = agent.bundle();
    let inside = world.client_in(&container, &bundle);
    let client = world.client(&bundle);
    let mut old = Vec::new();
    let loads = [
        (&client, CALLS),
        (&client, CALLS),
        (&client, CONNECTS),
        (&inside, CALLS),
    ];
    let counts = under_load(&world, &loads, || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(700));
            old.push(agent.pid());
            agent.upgrade()?;
        }
        std::thread::sleep(Duration::from_millis(700));
        Ok(())
    });
    let counts = counts.map_err(|error| error.context(agent.log().unwrap_or_default()))?;
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    let right: u32 = counts[0] + counts[1] + counts[3];
    assert_eq!(world.upstream.record().requests().len(), right as usize);
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    for pid in old {
        gone(pid)?;
    }
    assert!(agent.wait()?.success(), "{}", agent.log()?);
    let told = status(&world, &world.dir().join("interceptor.toml"))?;
    assert_eq!(told["state"], "steering", "{told:#}");
    assert_eq!(told["agent"]["pid"], agent.pid());
    assert_eq!(told["namespaces"]["listening"], 2);
    assert_eq!(pins::pending_at_last(&world)?, 0);
    // The last of them is as good as the first, and as closed when it is gone.
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    agent.kill()?;
    assert_eq!(call(&client)?.status.code(), Some(7));
    let _agent = Agent::start(&world, &Options::default())?;
    assert!(is_right(&call(&client)?));
    Ok(())
}

#[test]
fn an_open_stream_goes_on_and_a_new_container_is_served() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let bundle = agent.bundle();
    let client = world.client(&bundle);
    let (streaming, _) = slow_stream(&client)?;
    std::thread::sleep(Duration::from_millis(400));
    let first = agent.pid();
    agent.upgrade()?;
    assert!(is_alive(first), "it has a stream to finish");
    let container = world.container(101)?;
    let inside = world.client_in(&container, &bundle);
    let ran = call(&inside)?;
    assert!(is_right(&ran), "{ran:?}\n{}", agent.log()?);
    let streamed = String::from_utf8(streaming.wait_with_output()?.stdout)?;
    assert!(streamed.contains("event: message_stop"), "{streamed}");
    assert!(streamed.contains("10.77.31.8"), "{streamed}");
    gone(first)?;
    assert!(is_right(&call(&inside)?));
    Ok(())
}

#[test]
fn a_successor_that_is_killed_has_one_while_the_first_still_drains() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let first = agent.pid();
    // Silent for as long as it is open: the first agent keeps it.
    let code = "
import pathlib, raw, sys, time
passed = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
assert raw.exchange(passed, raw.request('hello', 'www.example.com')).startswith('HTTP/1.1 ')
";
    let (open, done) = (world.dir().join("open"), world.dir().join("done"));
    std::thread::scope(|scope| {
        let passing = scope.spawn(|| client.code_with(code, [&open, &done]));
        let tried = (|| -> Result<()> {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !open.exists() {
                ensure!(Instant::now() < deadline, "the client did not begin");
                std::thread::sleep(Duration::from_millis(10));
            }
            agent.upgrade()?;
            agent.crash()?;
            ensure!(call(&client)?.status.code() == Some(7));
            ensure!(is_alive(first), "it has a connection to carry");
            let second = Agent::start(&world, &Options::default())?;
            let ran = call(&client)?;
            ensure!(is_right(&ran), "{ran:?}\n{}", second.log()?);
            Ok(())
        })();
        std::fs::write(&done, "")?;
        let passed = passing.join();
        passed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        tried
    })
}

#[test]
fn connections_that_are_open_go_on() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let bundle = agent.bundle();
    let client = world.client(&bundle);
    // One that passes, and one that is masked and kept for another request.
    let code = "
import http.client, json, pathlib, raw, sys, time
passed = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
kept = http.client.HTTPSConnection('api.anthropic.com', timeout=10)
def ask():
    body = json.dumps({'model': 'stub', 'max_tokens': 9, 'messages': [{'role': 'user', 'content': 'at 10.77.31.8'}]})
    kept.request('POST', '/v1/messages', body, {'Content-Type': 'application/json'})
    answer = kept.getresponse()
    assert answer.status == 200 and b'You said: at 10.77.31.8' in answer.read()
ask()
sock = kept.sock
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
assert sock is not None and kept.sock is sock
ask()
assert raw.exchange(passed, raw.request('hello', 'www.example.com')).startswith('HTTP/1.1 ')
";
    let (open, upgraded) = (world.dir().join("open"), world.dir().join("upgraded"));
    let first = agent.pid();
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| client.code_with(code, [&open, &upgraded]));
        let done = (|| {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !open.exists() {
                ensure!(Instant::now() < deadline, "the client did not begin");
                std::thread::sleep(Duration::from_millis(10));
            }
            agent.upgrade()
        })();
        std::fs::write(&upgraded, "")?;
        let ran = ran.join();
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        done
    })?;
    gone(first)?;
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn told_to_stop_while_it_drains_it_does_not_take_its_time() -> Result<()> {
    let world = World::new()?;
    let file = world.dir().join("audit.jsonl");
    let mut agent = Agent::start(&world, &audit::options(&file, ""))?;
    let client = world.client(&agent.bundle());
    let first = agent.pid();
    let code = "
import pathlib, raw, socket, sys
passed = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
pathlib.Path(sys.argv[1]).touch()
passed = socket.socket(fileno=passed.detach())
passed.settimeout(10)
print(raw.error(lambda: [passed.recv(65536) for _ in range(9)]))
";
    let open = world.dir().join("open");
    let signal = |name: &str| -> Result<()> {
        let pid = first.to_string();
        ensure!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()?
                .success()
        );
        Ok(())
    };
    std::thread::scope(|scope| {
        let passing = scope.spawn(|| client.code_with(code, [&open]));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !open.exists() {
            ensure!(Instant::now() < deadline, "the client did not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent.upgrade()?;
        // Both write to the file, and both have to open another one after logrotate.
        std::fs::rename(&file, world.dir().join("old.jsonl"))?;
        signal("HUP")?;
        while !file.exists() {
            ensure!(Instant::now() < deadline, "it is not opened anew");
            std::thread::sleep(Duration::from_millis(10));
        }
        ensure!(is_alive(first), "it has a connection to carry");
        // What passes is cut at once, as when an agent without a successor stops.
        signal("TERM")?;
        gone(first)?;
        let passed = passing.join();
        let passed = passed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        assert_eq!(passed, "ConnectionResetError\n");
        ensure!(is_right(&call(&client)?), "{}", agent.log()?);
        Ok(())
    })
}

#[test]
fn a_successor_that_fails_changes_nothing() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let first = agent.pid();
    let config = world.dir().join("interceptor.toml");
    let right = std::fs::read_to_string(&config)?;
    let other = world.cgroup.path().join("other");
    std::fs::create_dir(&other)?;
    let cgroup = world.cgroup.config_path();
    let failures = [
        right.replace("version = 1", "version = 9"),
        right.replace("[steering]", "[steering]\nlisten_port = 15444"),
        right
            .replace(&cgroup, &format!("{cgroup}/other"))
            .replace("[steering]", "[steering]\nports = [8443]"),
        right.replace("/ca\"", "/no-ca\""),
    ];
    let counts = under_load(&world, &[(&client, CALLS)], || {
        for (number, wrong) in failures.iter().enumerate() {
            ensure!(*wrong != right);
            std::fs::write(&config, wrong)?;
            agent.signal("USR2")?;
            let deadline = Instant::now() + Duration::from_secs(20);
            while agent.log()?.matches("no successor took over").count() <= number {
                ensure!(Instant::now() < deadline, "{}", agent.log()?);
                std::thread::sleep(Duration::from_millis(10));
            }
            std::fs::write(&config, &right)?;
            let told = status(&world, &config)?;
            assert_eq!(told["state"], "steering", "{told:#}");
            assert_eq!(told["agent"]["pid"], first);
            assert_eq!(told["ports"], serde_json::json!([443]));
        }
        Ok(())
    })?;
    assert!(counts[0] > 0, "{counts:?}");
    std::fs::remove_dir(&other)?;
    // And then one that doesn't.
    agent.upgrade()?;
    gone(first)?;
    assert!(is_right(&call(&client)?), "{}", agent.log()?);
    // Two never share what they steer by, whoever was first.
    let rival = Agent::command(&world)?
        .args(["run", "--config"])
        .arg(&config)
        .output()?;
    let said = String::from_utf8(rival.stderr)?;
    assert!(
        !rival.status.success() && said.contains("another agent"),
        "{said}"
    );
    Ok(())
}
