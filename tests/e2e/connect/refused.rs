//! Connects that the kernel side refuses by itself: in a namespace without an agent, and while the agent is hung.

use std::time::Duration;

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

/// Every kind of socket to an LLM host; what each connect ended in, and whether at once.
const CONNECTS: &str = "
import raw, time
def ends(kind, port):
    begun = time.time()
    error = raw.refused(lambda: raw.connect(kind, port=port))
    return error if time.time() - begun < 0.5 else 'late'
print(*(ends(kind, port) for kind in ('v4', 'v6', 'mapped') for port in (443, 80)))
sock = raw.socket.socket()
sock.setblocking(False)
print(raw.refused(lambda: sock.connect(raw.ANTHROPIC)))
";

fn all_refused() -> String {
    format!(
        "{}\nConnectionRefusedError\n",
        ["ConnectionRefusedError"; 6].join(" ")
    )
}

#[test]
fn a_namespace_without_an_agent_is_refused() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // CLONE_NEWNET. Were the connect not refused by us, it would fail for the lack of a route.
    let elsewhere =
        format!("import ctypes; assert ctypes.CDLL(None).unshare(0x40000000) == 0\n{CONNECTS}");
    assert_eq!(client.code(&elsewhere)?, all_refused());
    // Somebody who listens there on the agent's port gets nothing of it either: the connect is refused, not steered.
    let trap = "
import ctypes, subprocess
assert ctypes.CDLL(None).unshare(0x40000000) == 0
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
import raw, socket
print(raw.refused(lambda: socket.create_server(('127.0.0.1', 15443))))
print(raw.refused(lambda: raw.connect('v4')))
server = socket.create_server(('127.0.0.1', 8443))
print(raw.refused(lambda: raw.connect('v4', '127.0.0.1', 8443)))
";
    let said = client.code(trap)?;
    let said: Vec<_> = said.lines().collect();
    assert!(
        matches!(said[..], [bound, "ConnectionRefusedError", "none"] if bound != "none"),
        "{said:?}"
    );
    let log = agent.log()?;
    assert!(log.contains("refused_netns"), "{log}");
    Ok(())
}

#[test]
fn while_the_agent_is_hung_it_is_refused() -> Result<()> {
    let world = World::new()?;
    let options = Options {
        steering: "heartbeat = \"500ms\"".to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    agent.signal("STOP")?;
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(client.code(CONNECTS)?, all_refused());
    agent.signal("CONT")?;
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        client.code(CONNECTS)?,
        format!("{}\nBlockingIOError\n", ["none"; 6].join(" "))
    );
    let log = agent.log()?;
    assert!(log.contains("refused_stale"), "{log}");
    Ok(())
}
