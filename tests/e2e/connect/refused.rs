//! Connects that the kernel side refuses by itself: in a namespace without loopback, and while the agent is hung.

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
fn in_a_namespace_without_loopback_nothing_gets_out() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // CLONE_NEWNET. An address is routed, so that only we can be what stops the connects.
    let elsewhere = "
import ctypes, subprocess
assert ctypes.CDLL(None).unshare(0x40000000) == 0
for command in ('link add out type veth peer name far', 'link set far up', 'link set out up', 'address add 198.51.100.77/24 dev out'):
    subprocess.run(['ip', *command.split()], check=True)
import raw, time
print([raw.refused(lambda: raw.connect('v4')) == 'none' for _ in range(5)])
subprocess.run(['ip', 'link', 'set', 'lo', 'up'])
deadline = time.time() + 10
while (error := raw.refused(lambda: raw.connect('v4'))) != 'none' and time.time() < deadline:
    time.sleep(0.05)
print(error)
";
    // The agent listens there all the same, and is there as soon as loopback is up.
    let said = client.code(elsewhere)?;
    let refused = "[False, False, False, False, False]";
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [refused, "none"],
        "{}",
        agent.log()?
    );
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}

#[test]
fn nobody_takes_the_agents_port_in_a_new_namespace() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let trap = "
import ctypes, subprocess
assert ctypes.CDLL(None).unshare(0x40000000) == 0
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
import raw, socket
print(raw.refused(lambda: socket.create_server(('127.0.0.1', 15443))))
server = socket.create_server(('127.0.0.1', 8443))
print(raw.refused(lambda: raw.connect('v4', '127.0.0.1', 8443)))
";
    let said = world.client(&agent.bundle()).code(trap)?;
    let said: Vec<_> = said.lines().collect();
    assert!(
        matches!(said[..], [bound, "none"] if bound != "none"),
        "{said:?}"
    );
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
