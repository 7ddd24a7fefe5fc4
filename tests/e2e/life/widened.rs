//! A config that steers more: what is open to where it steers now is ended, and nothing else is.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

use super::within;

/// Connects to two places, and says what becomes of these connections once a file is there.
const HOLD: &str = "
import pathlib, raw, sys, time
begun, changed, *places = sys.argv[1:]
places = [place.split(':') for place in places]
ended, kept = [raw.connect('v4', host, int(port)) for host, port in places]
pathlib.Path(begun).touch()
while not pathlib.Path(changed).exists():
    time.sleep(0.01)
for sock, patience in (ended, 4), (kept, 0.1):
    sock.settimeout(patience)
    print(raw.error(lambda: sock.recv(1)))
";

/// Another port, which no config here steers.
const KEPT: &str = "198.51.100.11:9443";

/// What became of a connection to `place` that was open when `change` came over an agent with `before`, and of one to
/// [`KEPT`].
fn held<'w>(
    world: &'w World,
    before: &Options,
    place: &str,
    change: impl FnOnce(Agent<'w>) -> Result<Agent<'w>>,
) -> Result<String> {
    let agent = Agent::start(world, before)?;
    let client = world.client(&agent.bundle());
    let files = ["begun", "changed"].map(|name| world.dir().join(name));
    let [begun, changed] = &files;
    let arguments = [
        begun.as_os_str(),
        changed.as_os_str(),
        place.as_ref(),
        KEPT.as_ref(),
    ];
    std::thread::scope(|scope| {
        let holding = scope.spawn(|| client.code_with(HOLD, arguments));
        let agent =
            within(Duration::from_secs(10), || Ok(begun.exists())).and_then(|()| change(agent));
        std::fs::write(changed, "")?;
        let held = holding.join();
        let _agent = agent?;
        within(Duration::from_secs(5), || Ok(!pins::owes(world)?))?;
        held.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn steering(lines: &str) -> Options {
    Options {
        steering: lines.to_owned(),
        ..Options::default()
    }
}

/// The last one only a restart can make.
const CHANGES: [(&str, &str, &str); 4] = [
    ("ports = [443]", "ports = [443, 8443]", "198.51.100.11:8443"),
    (
        "never = [\"198.51.100.50/32\"]",
        "never = []",
        "198.51.100.50:443",
    ),
    (
        "scope = \"known-hosts\"",
        "scope = \"known-hosts\"
[[hosts]]
host = \"api.anthropic.com\"
protocol = \"anthropic\"
ranges = [\"198.51.100.8/29\"]",
        "198.51.100.11:443",
    ),
    ("scope = \"known-hosts\"", "", "198.51.100.50:443"),
];

fn world() -> Result<(World, Vec<TcpListener>)> {
    let world = World::new()?;
    let listen = |port| {
        world
            .provider
            .run(|| TcpListener::bind(("198.51.100.11", port)))
    };
    let others = [8443, 9443].map(listen);
    let others = others.into_iter().flatten().collect::<Result<_, _>>()?;
    Ok((world, others))
}

#[test]
fn restarted_it_ends_what_it_would_have_steered() -> Result<()> {
    for (before, after, place) in CHANGES {
        let (world, _others) = world()?;
        let held = held(&world, &steering(before), place, |mut agent| {
            agent.kill()?;
            Agent::start(&world, &steering(after))
        })?;
        assert_eq!(held, "ConnectionAbortedError\nTimeoutError\n", "{after}");
    }
    Ok(())
}

#[test]
fn reloaded_it_ends_what_it_would_have_steered() -> Result<()> {
    for (before, after, place) in &CHANGES[..3] {
        let (world, _others) = world()?;
        let held = held(&world, &steering(before), place, |agent| {
            agent.reload(&world, &steering(after))?;
            Ok(agent)
        })?;
        assert_eq!(held, "ConnectionAbortedError\nTimeoutError\n", "{after}");
    }
    Ok(())
}

#[test]
fn what_came_too_late_for_an_agent_its_successor_ends() -> Result<()> {
    for (before, after, place) in &CHANGES[..3] {
        for killed in [false, true] {
            let (world, _others) = world()?;
            let held = held(&world, &steering(before), place, |mut agent| {
                agent.reload(&world, &steering(after))?;
                if killed {
                    agent.kill()?;
                    return Agent::start(&world, &steering(after));
                }
                agent.upgrade()?;
                Ok(agent)
            })?;
            assert_eq!(
                held, "ConnectionAbortedError\nTimeoutError\n",
                "{after}, killed: {killed}"
            );
        }
    }
    Ok(())
}

#[test]
fn handed_over_it_ends_them_too_and_nothing_of_its_predecessor() -> Result<()> {
    let (world, _others) = world()?;
    let mut agent = Agent::start(&world, &steering("ports = [443]"))?;
    // As where the whole machine is steered: its own connections are of the cgroup, too.
    let processes = world.cgroup.path().join("cgroup.procs");
    std::fs::write(processes, agent.pid().to_string())?;
    let client = world.client(&agent.bundle());
    let code = "
import pathlib, raw, sys, time
begun, changed = map(pathlib.Path, sys.argv[1:])
ended = raw.connect('v4', '198.51.100.11', 8443)
passed = raw.tls(raw.connect('v4', '198.51.100.50'), 'www.example.com')
begun.touch()
while not changed.exists():
    time.sleep(0.01)
ended.settimeout(4)
print(raw.error(lambda: ended.recv(1)))
assert raw.exchange(passed, raw.request('hello', 'www.example.com')).startswith('HTTP/1.1 ')
";
    let files = ["begun", "changed"].map(|name| world.dir().join(name));
    let held = std::thread::scope(|scope| {
        let holding = scope.spawn(|| client.code_with(code, &files));
        let upgraded = within(Duration::from_secs(10), || Ok(files[0].exists())).and_then(|()| {
            Agent::prepare(&world, &steering("ports = [443, 8443]"))?;
            agent.upgrade()
        });
        std::fs::write(&files[1], "")?;
        upgraded?;
        let held = holding.join();
        held.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    assert_eq!(held, "ConnectionAbortedError\n");
    Ok(())
}
