//! Network namespaces other than the agent's own: masked there too, from there, or refused.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::netns::Netns;
use interceptor_tests::{Agent, World, canary};

const URL: &str = "https://api.anthropic.com/v1/messages";
const BODY: &str =
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#;

/// One call of an unprivileged user in a container.
fn call(world: &World, container: &Netns, agent: &Agent<'_>, family: &str) -> Result<Ran> {
    let client = world.client_in(container, &agent.bundle()).uid(1000);
    client.curl([family, "--data", BODY, "--max-time", "10", URL])
}

/// The call was answered, its value was masked, and it came from an address that ends in `number`.
fn assert_masked(world: &World, ran: &Ran, number: u8) -> Result<()> {
    ensure!(ran.stdout.contains("You said: at 10.77.31.8"), "{ran:?}");
    let seen = world.upstream.record().last().context("nothing arrived")?;
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    ensure!(text.contains("at PRIVATE_IP_001"), "{text}");
    let own = [
        format!("198.51.100.{number}"),
        format!("2001:db8::{number}"),
    ];
    let peer = seen.peer.ip().to_canonical().to_string();
    ensure!(own.contains(&peer), "{peer} is not the container's own");
    Ok(())
}

#[test]
fn the_first_call_of_a_new_container_is_masked_and_comes_from_its_own_address() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    for (number, family) in [(101, "--ipv4"), (102, "--ipv6"), (103, "--ipv4")] {
        let container = world.container(number)?;
        let ran = call(&world, &container, &agent, family)?;
        assert_masked(&world, &ran, number)?;
    }
    // And the agent's own namespace as ever.
    let ran = call(&world, &world.clients, &agent, "--ipv4")?;
    assert_masked(&world, &ran, 2)
}

#[test]
fn a_container_that_was_there_before_the_agent_is_served() -> Result<()> {
    let world = World::new()?;
    let container = world.container(101)?;
    let roots = world.dir().join("ca/bundle.pem");
    // It runs before the agent does, and its socket is made before that too.
    let client = world.client_in(&container, &roots);
    let code = "
import socket, sys, time, pathlib
early = socket.socket()
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
early.settimeout(5)
early.connect(('198.51.100.50', 443))
print(early.getpeername()[0], early.getsockname()[0])
";
    let (begun, go) = (world.dir().join("begun"), world.dir().join("go"));
    std::thread::scope(|scope| {
        let early = scope.spawn(|| client.code_with(code, [&begun, &go]));
        while !begun.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let agent = Agent::start(&world, &Options::default())?;
        fs::write(&go, "")?;
        let printed = early.join().expect("no panic")?;
        // Steered: its own end of the connection is loopback.
        ensure!(printed.trim() == "198.51.100.50 127.0.0.1", "{printed}");
        let ran = call(&world, &container, &agent, "--ipv4")?;
        assert_masked(&world, &ran, 101)
    })
}

#[test]
fn without_the_agent_a_container_is_refused() -> Result<()> {
    let world = World::new()?;
    let container = world.container(101)?;
    let mut agent = Agent::start(&world, &Options::default())?;
    assert_masked(&world, &call(&world, &container, &agent, "--ipv4")?, 101)?;
    agent.kill()?;
    let before = world.upstream.record().connections();
    let late = world.container(102)?;
    for container in [&container, &late] {
        let ran = call(&world, container, &agent, "--ipv4")?;
        assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    }
    assert_eq!(world.upstream.record().connections(), before);
    let agent = Agent::start(&world, &Options::default())?;
    assert_masked(&world, &call(&world, &container, &agent, "--ipv4")?, 101)?;
    assert_masked(&world, &call(&world, &late, &agent, "--ipv6")?, 102)
}

#[test]
fn what_a_container_cant_reach_it_cant_reach_through_us() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    // A connection to the same host is in the pool: it is another container's.
    let container = world.container(101)?;
    assert_masked(&world, &call(&world, &container, &agent, "--ipv4")?, 101)?;
    let before = world.upstream.record().connections();
    let isolated = world.isolated(102)?;
    let ran = call(&world, &isolated, &agent, "--ipv4")?;
    ensure!(!ran.stdout.contains("You said"), "{ran:?}");
    assert_eq!(world.upstream.record().connections(), before);
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

/// In a thread that is gone when the agent hears of it, a socket; later another, and a connect that waits for nobody else to
/// make one.
const IN_PASSING: &str = "
import pathlib, socket, sys, threading, time
first, go, second = map(pathlib.Path, sys.argv[1:])
def in_passing():
    thread = threading.Thread(target=lambda: socket.socket().close())
    thread.start()
    thread.join()
in_passing()
first.touch()
while not go.exists():
    time.sleep(0.01)
in_passing()
sock = socket.socket()
sock.settimeout(0)
sock.connect_ex(('198.51.100.11', 443))
second.touch()
time.sleep(4)
print(sock.connect_ex(('198.51.100.11', 443)))
";

#[test]
fn the_kernels_word_may_come_later_than_a_look() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let containers = [101, 102, 103].map(|number| world.container(number));
    let containers = containers.into_iter().collect::<Result<Vec<_>>>()?;
    let [first, go, second] = ["first", "go", "second"].map(|name| world.dir().join(name));
    let exist = |name: &Path| {
        let all = (0..containers.len()).map(|n| name.join(n.to_string()));
        all.into_iter().all(|path| path.exists())
    };
    for dir in [&first, &go, &second] {
        fs::create_dir(dir)?;
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    }
    std::thread::scope(|scope| {
        // Stopped until it is due to look, it has both at once.
        agent.signal("STOP")?;
        let mut calling = Vec::new();
        for (n, container) in containers.iter().enumerate() {
            let client = world.client_in(container, &agent.bundle());
            let args = [&first, &go, &second].map(|dir| dir.join(n.to_string()));
            calling.push(scope.spawn(move || client.code_with(IN_PASSING, args)));
        }
        std::thread::sleep(Duration::from_millis(5500));
        let begun = exist(&first);
        agent.signal("CONT")?;
        ensure!(begun, "a client did not start");
        let deadline = Instant::now() + Duration::from_secs(10);
        while agent
            .log()?
            .matches("listening in a network namespace")
            .count()
            < 3
        {
            ensure!(Instant::now() < deadline, "{}", agent.log()?);
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
        agent.signal("STOP")?;
        for n in 0..containers.len() {
            fs::write(go.join(n.to_string()), "")?;
        }
        while !exist(&second) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        agent.signal("CONT")?;
        for client in calling {
            let printed = client.join().expect("no panic")?;
            // Connected, or so already (EISCONN).
            ensure!(
                ["0\n", "106\n"].contains(&&*printed),
                "{printed}{}",
                agent.log()?
            );
        }
        Ok(())
    })
}

/// Somebody who has the agent's port in a container.
struct Thief(std::process::Child);

impl Thief {
    fn of(container: &Netns) -> Result<Self> {
        // Not below the steered cgroup, or it could not have the port.
        let mut thief = std::process::Command::new("nsenter")
            .arg(format!("--net={}", container.path().display()))
            .args(["python3", "-c"])
            .arg("import socket, time; s = socket.create_server(('127.0.0.1', 15443)); print(flush=True); time.sleep(60)")
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        std::io::Read::read_exact(thief.stdout.as_mut().context("no pipe")?, &mut [0])?;
        Ok(Self(thief))
    }

    fn end(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Thief {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.end();
    }
}

/// A connection with TLS from before the agent; its process may go to another network namespace meanwhile.
const EARLY: &str = "
import ctypes, os, pathlib, raw, sys, time
begun, go, away = sys.argv[1:]
stream = raw.tls(raw.connect('v4'))
if away:
    CLONE_NEWNET = 0x40000000
    assert ctypes.CDLL(None).setns(os.open(away, os.O_RDONLY), CLONE_NEWNET) == 0
pathlib.Path(begun).touch()
while not pathlib.Path(go).exists():
    time.sleep(0.01)
stream.settimeout(5)
try:
    print('answered' if raw.exchange(stream, raw.request('at 10.77.31.8')) else 'closed')
except OSError as error:
    print(type(error).__name__)
";

#[test]
fn connections_from_before_are_ended_where_the_agent_cant_listen_or_nobody_is() -> Result<()> {
    let world = World::new()?;
    let (taken, left) = (world.container(101)?, world.container(102)?);
    let _thief = Thief::of(&taken)?;
    let away = world.clients.path();
    let go = world.dir().join("go");
    let cases = [(&taken, Path::new("")), (&left, &away)];
    let clients = cases.map(|(container, _)| world.client_in(container, world.upstream.ca_file()));
    let said = std::thread::scope(|scope| -> Result<Vec<String>> {
        let mut early = Vec::new();
        for ((_, away), client) in cases.iter().zip(&clients) {
            let begun = world.dir().join(format!("begun-{}", early.len()));
            let args = [begun.clone(), go.clone(), away.to_path_buf()];
            let talking = scope.spawn(move || client.code_with(EARLY, args));
            while !begun.exists() {
                ensure!(!talking.is_finished(), "{:?}", talking.join());
                std::thread::sleep(Duration::from_millis(5));
            }
            early.push(talking);
        }
        let agent = Agent::start(&world, &Options::default());
        fs::write(&go, "")?;
        let said = early
            .into_iter()
            .map(|talking| talking.join().expect("no panic"))
            .collect::<Result<_>>()?;
        let agent = agent?;
        ensure!(
            agent.logs("a network namespace is not served")?,
            "{}",
            agent.log()?
        );
        Ok(said)
    })?;
    assert!(!said.iter().any(|said| said == "answered\n"), "{said:?}");
    assert_eq!(
        canary::leaks(&world.upstream.record().everything()),
        [""; 0]
    );
    Ok(())
}

#[test]
fn where_the_agents_port_is_taken_connects_are_refused() -> Result<()> {
    let world = World::new()?;
    let container = world.container(101)?;
    let mut thief = Thief::of(&container)?;
    let agent = Agent::start(&world, &Options::default())?;
    // The first one may have come before the agent had tried: it waits in vain (28), those after it are refused (7).
    let client = world.client_in(&container, &agent.bundle());
    let call_once = || client.curl(["--ipv4", "--data", BODY, "--max-time", "2", URL]);
    let (first, second) = (call_once(), call_once());
    thief.end()?;
    let (first, second) = (first?, second?);
    assert!(matches!(first.status.code(), Some(7 | 28)), "{first:?}");
    assert_eq!(second.status.code(), Some(7), "{second:?}");
    assert_eq!(world.upstream.record().connections(), 0);
    ensure!(
        agent.logs("a network namespace is not served")?,
        "{}",
        agent.log()?
    );
    // Free again, it is served: the refusal was not for ever.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let ran = call(&world, &container, &agent, "--ipv4")?;
        if ran.status.success() {
            return assert_masked(&world, &ran, 101);
        }
        ensure!(Instant::now() < deadline, "{ran:?}");
    }
}

/// A network namespace that has one socket, and ends with it.
const IN_NO_TIME: &str = "
import ctypes, socket
CLONE_NEWNET = 0x40000000
assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
socket.socket()
";

#[test]
fn a_container_that_is_gone_is_let_go() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let container = world.container(101)?;
    let inode = fs::metadata(container.path())?.ino();
    assert_masked(&world, &call(&world, &container, &agent, "--ipv4")?, 101)?;
    assert!(holds(&agent, inode)?);
    drop(container);
    // Namespaces that are gone before the agent gets to them make it look, soon.
    for _ in 0..5 {
        agent.signal("STOP")?;
        let passing = world.client(&agent.bundle()).code(IN_NO_TIME);
        agent.signal("CONT")?;
        passing?;
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(
        holds(&agent, inode)?,
        "it was empty for a moment: {}",
        agent.log()?
    );
    let deadline = Instant::now() + Duration::from_secs(40);
    while holds(&agent, inode)? {
        ensure!(Instant::now() < deadline, "{}", agent.log()?);
        std::thread::sleep(Duration::from_millis(200));
    }
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_network_namespaces 1\n"),
        "{metrics}"
    );
    Ok(())
}

/// Whether the agent has a descriptor of this namespace.
fn holds(agent: &Agent<'_>, inode: u64) -> Result<bool> {
    for entry in fs::read_dir(format!("/proc/{}/fd", agent.pid()))? {
        // One that was closed meanwhile is none.
        if let Ok(target) = fs::read_link(entry?.path())
            && target.to_string_lossy() == format!("net:[{inode}]")
        {
            return Ok(true);
        }
    }
    Ok(false)
}
