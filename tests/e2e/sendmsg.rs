//! `sendmsg`: QUIC from sockets that never connect is refused; other datagrams pass.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

#[test]
fn datagrams_to_the_tls_port_are_refused_and_others_are_not() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import raw, socket
for family, host in ((socket.AF_INET, '198.51.100.11'), (socket.AF_INET6, '2001:db8::11'), (socket.AF_INET6, '::ffff:198.51.100.11')):
    for port in (443, 4433):
        print(raw.refused(lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b'QUIC', (host, port))))
";
    let said = world.client(&agent.bundle()).code(code)?;
    let said: Vec<_> = said.lines().collect();
    for pair in said.chunks(2) {
        assert!(
            matches!(pair, ["ConnectionRefusedError" | "PermissionError", "none"]),
            "{said:?}"
        );
    }
    assert_eq!((said.len(), world.upstream.record().datagrams()), (6, 0));
    Ok(())
}

#[test]
fn the_stub_does_see_datagrams_that_are_not_steered() -> Result<()> {
    let world = World::new()?;
    let code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'QUIC', ('198.51.100.11', 443))";
    world.direct_client().code(code)?;
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(world.upstream.record().datagrams(), 1);
    Ok(())
}
