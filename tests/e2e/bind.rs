//! `bind`: nobody but the agent takes the port that connections are steered to.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

const BIND: &str = "
import raw, socket
for host in ('127.0.0.1', '127.0.0.2', '::1', '::'):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    print(raw.refused(lambda: socket.socket(family).bind((host, 15443))))
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
        let (other, ours) = said.split_last().expect("five lines");
        assert_eq!(*other, "none", "{said:?}");
        assert!(ours.iter().all(|error| *error != "none"), "{said:?}");
        // The second round: nobody listens there any more, and the programs stay.
        agent.kill()?;
    }
    Ok(())
}
