//! `sock_ops`: the hand-off of the original destination, and no answer to connections that have none.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

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
    assert_eq!(
        world.client(&agent.bundle()).code(code)?,
        "240\n",
        "{}",
        agent.log()?
    );
    Ok(())
}

#[test]
fn a_connection_straight_to_the_agents_port_is_told_nothing() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw
for kind, host in (('v4', '127.0.0.1'), ('mapped', '127.0.0.1')):
    try:
        print(len(raw.exchange(raw.connect(kind, host, 15443), raw.request('hello'))))
    except OSError:
        print(0)
";
    assert_eq!(world.client(&agent.bundle()).code(code)?, "0\n0\n");
    assert_eq!(world.upstream.record().connections(), 0);
    Ok(())
}
