//! `getpeername`: a steered client sees the address that it asked for.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

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

#[test]
fn a_client_that_was_forgotten_sees_the_agent_and_is_served() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let (begun, go) = (world.dir().join("begun"), world.dir().join("go"));
    let code = "
import pathlib, raw, sys, time
begun, go = map(pathlib.Path, sys.argv[1:])
sock = raw.connect('v4')
begun.touch()
while not go.exists():
    time.sleep(0.01)
print(*sock.getpeername())
print('at 10.77.31.8' in raw.exchange(raw.tls(sock), raw.request('at 10.77.31.8')))
print(*raw.connect('v4').getpeername())
";
    let client = world.client(&agent.bundle());
    let said = std::thread::scope(|scope| -> Result<_> {
        let client = scope.spawn(|| client.code_with(code, [&begun, &go]));
        while !begun.exists() {
            ensure!(!client.is_finished(), "{:?}", client.join());
            std::thread::sleep(Duration::from_millis(5));
        }
        pins::forget(&world)?;
        fs::write(&go, "")?;
        client.join().expect("no panic")
    })?;
    assert_eq!(said, "127.0.0.1 15443\nTrue\n198.51.100.11 443\n");
    let everything = world.upstream.record().everything();
    assert!(!String::from_utf8_lossy(&everything).contains("10.77.31.8"));
    Ok(())
}
