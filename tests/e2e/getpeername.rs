//! `getpeername`: a steered client sees the address that it asked for.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

#[test]
fn a_client_sees_whom_it_meant() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw
for kind in ('v4', 'v6', 'mapped'):
    print(*raw.connect(kind).getpeername()[:2])
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(
        said,
        "198.51.100.11 443\n2001:db8::11 443\n::ffff:198.51.100.11 443\n"
    );
    Ok(())
}

#[test]
fn a_client_that_was_not_steered_sees_what_it_always_saw() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import socket
server = socket.create_server(('127.0.0.1', 8443))
client = socket.create_connection(('127.0.0.1', 8443))
print(*client.getpeername())
";
    assert_eq!(
        world.client(&agent.bundle()).code(code)?,
        "127.0.0.1 8443\n"
    );
    Ok(())
}
