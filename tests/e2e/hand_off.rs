//! The hand-off of the original destination, filed as the first packet leaves, and no answer to connections that have none.

use std::time::{Duration, Instant};

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

#[test]
fn many_connections_at_once_each_reach_their_own_destination() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    // Hosts are told apart by their addresses alone: the names all lead to the same provider.
    let code = "
import raw
from concurrent.futures import ThreadPoolExecutor
hosts = [('www.example.com', '198.51.100.50'), ('api.anthropic.com', '198.51.100.11')]
def call(number):
    name, host = hosts[number % 2]
    kind = ('v4', 'v6', 'mapped')[number % 3]
    sock = raw.connect(kind, host)
    peer = sock.getpeername()[0]
    answer = raw.exchange(raw.tls(sock, name), raw.request(f'call {number}', name))
    return f'You said: call {number}' in answer and peer[-2:] == host[-2:]
with ThreadPoolExecutor(24) as pool:
    print(sum(pool.map(call, range(240))))
";
    // An emulated processor takes its time for the handshakes.
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(120));
    assert_eq!(client.code(code)?, "240\n", "{}", agent.log()?);
    Ok(())
}

#[test]
fn a_connection_straight_to_the_agents_port_is_told_nothing() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw, socket
print(raw.refused(lambda: raw.connect('v4', '127.0.0.1', 15443)))
print(raw.refused(lambda: raw.connect('mapped', '127.0.0.1', 15443)))
print(raw.refused(lambda: socket.create_connection(('::1', 15443))))
# The kernel takes these for loopback, after the programs have seen them.
print(raw.refused(lambda: raw.connect('v4', '0.0.0.0', 15443)))
print(raw.refused(lambda: raw.connect('mapped', '0.0.0.0', 15443)))
print(raw.refused(lambda: socket.create_connection(('::', 15443))))
";
    let client = world.client(&agent.bundle());
    assert_eq!(client.code(code)?, "ConnectionRefusedError\n".repeat(6));
    assert!(agent.logs("refused_straight")?);
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}

#[test]
fn what_a_connect_left_that_came_to_nothing_is_swept() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // Stopped for less than the heartbeat allows, it takes no connection: the kernel holds them, closed ones too.
    agent.signal("STOP")?;
    let code = "import raw; print(len([raw.connect(kind) for kind in ('v4', 'v6', 'mapped') * 5]))";
    assert_eq!(client.code(code)?, "15\n");
    agent.signal("CONT")?;
    assert_eq!(pins::pending_at_last(&world)?, 0);
    // Nobody listens, so the SYN itself is refused.
    agent.kill()?;
    let refused = "
import raw
print(sum(raw.refused(lambda: raw.connect(kind)) == 'ConnectionRefusedError' for kind in ('v4', 'v6', 'mapped') * 5))
";
    assert_eq!(client.code(refused)?, "15\n");
    assert_eq!(pins::pending(&world)?, 15);
    let _agent = Agent::start(&world, &Options::default())?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while pins::pending(&world)? > 0 {
        assert!(Instant::now() < deadline, "they are still there");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn a_hand_off_is_filed_until_the_agent_takes_it() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    agent.signal("STOP")?;
    // Held open by a client that waits for nothing but its end.
    let code = "import raw, time; socks = [raw.connect('v4') for _ in range(7)]; time.sleep(2)";
    std::thread::scope(|scope| -> Result<()> {
        let holding = scope.spawn(|| client.code(code));
        let deadline = Instant::now() + Duration::from_secs(2);
        while pins::pending(&world)? < 7 {
            assert!(Instant::now() < deadline, "nothing was filed");
            std::thread::sleep(Duration::from_millis(20));
        }
        agent.signal("CONT")?;
        while pins::pending(&world)? > 0 {
            assert!(Instant::now() < deadline, "nothing was taken");
            std::thread::sleep(Duration::from_millis(20));
        }
        holding.join().expect("the client's thread").map(drop)
    })
}
