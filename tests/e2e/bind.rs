//! `bind`: nobody but the agent takes the port that connections are steered to.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

const BIND: &str = "
import raw, socket
def bind(host, *options, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, kind)
    for option in options:
        sock.setsockopt(*option, 1)
    sock.bind((host, 15443))
for host in ('127.0.0.1', '127.0.0.2', '0.0.0.0', '198.51.100.2', '::1', '::', '::ffff:127.0.0.1', '2001:db8::2'):
    for options in (), [(socket.SOL_SOCKET, socket.SO_REUSEADDR)], [(socket.SOL_SOCKET, socket.SO_REUSEPORT)]:
        print(raw.refused(lambda: bind(host, *options)))
print(raw.refused(lambda: bind('::', (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))))
print(raw.refused(lambda: bind('127.0.0.1', kind=socket.SOCK_DGRAM)))
print(raw.refused(lambda: socket.socket().bind(('127.0.0.1', 15444))))
";

#[test]
fn the_agents_port_is_taken_while_it_runs_and_after_it_was_killed() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for _ in 0..2 {
        let said = client.code(BIND)?;
        let said: Vec<_> = said.lines().collect();
        let (ours, others) = said.split_at(25);
        assert!(ours.iter().all(|error| *error != "none"), "{said:?}");
        // The port's UDP namesake, and the next port.
        assert_eq!(others, ["none", "none"], "{said:?}");
        // The second round: nobody listens there any more, and the programs stay.
        agent.kill()?;
    }
    Ok(())
}
