//! The odder ways to connect: without blocking, twice on one socket, from an address of one's own, to one's own machine.

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

use super::{TEXT, assert_masked};

#[test]
fn connects_that_do_not_block_are_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for (family, host) in [
        ("AF_INET", "198.51.100.11"),
        ("AF_INET6", "2001:db8::11"),
        ("AF_INET6", "::ffff:198.51.100.11"),
    ] {
        let code = format!(
            "
import raw, select, socket
sock = socket.socket(socket.{family})
sock.setblocking(False)
assert sock.connect_ex(('{host}', 443)) == 115
assert select.select([], [sock], [], 5)[1] and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
sock.settimeout(5)
print(raw.exchange(raw.tls(sock), raw.request('{TEXT}')))
"
        );
        assert_masked(&world, &client.code(&code)?);
    }
    Ok(())
}

#[test]
fn a_socket_with_an_address_of_its_own_is_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for (own, port, host) in [
        ("198.51.100.2", 40441, "198.51.100.11"),
        ("0.0.0.0", 40442, "198.51.100.11"),
        ("2001:db8::2", 40443, "2001:db8::11"),
        ("::", 40444, "::ffff:198.51.100.11"),
    ] {
        let code = format!(
            "
import raw, socket
sock = socket.create_connection(('{host}', 443), 5, ('{own}', {port}))
print(raw.exchange(raw.tls(sock), raw.request('{TEXT}')))
"
        );
        assert_masked(&world, &client.code(&code)?);
    }
    Ok(())
}

#[test]
fn a_socket_that_connects_again_goes_to_where_it_says() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // Connecting to AF_UNSPEC undoes a connect (connect(2)).
    let code = format!(
        "
import ctypes, raw, socket
server = socket.create_server(('127.0.0.1', 8443))
def undo(sock):
    assert ctypes.CDLL(None).connect(sock.fileno(), bytes(16), 16) == 0
sock = raw.connect('v4', '198.51.100.12')
undo(sock)
sock.connect(('127.0.0.1', 8443))
print(*sock.getpeername(), server.accept()[1] == sock.getsockname())
undo(sock)
sock.connect(('198.51.100.50', 443))
print(*sock.getpeername())
undo(sock)
sock.connect(raw.ANTHROPIC)
print(*sock.getpeername())
print(raw.exchange(raw.tls(sock), raw.request('{TEXT}')))
"
    );
    let said = client.code(&code)?;
    assert!(
        said.starts_with("127.0.0.1 8443 True\n198.51.100.50 443\n198.51.100.11 443\n"),
        "{said}"
    );
    assert_masked(&world, &said);
    Ok(())
}

#[test]
fn one_s_own_machine_and_links_are_never_steered() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let code = "
import socket
for listen, host in (('127.0.0.1', '127.0.0.1'), ('127.9.9.9', '127.9.9.9'), ('::1', '::1'), ('127.0.0.1', '::ffff:127.0.0.1'), ('127.0.0.1', '0.0.0.0'), ('::1', '::')):
    server = socket.create_server((listen, 443), family=socket.AF_INET6 if ':' in listen else socket.AF_INET)
    client = socket.create_connection((host, 443), 5)
    peer, there = server.accept()
    print(there[1] == client.getsockname()[1])
    for sock in (client, peer, server):
        sock.close()
";
    assert_eq!(client.code(code)?, "True\n".repeat(6));
    assert!(!agent.log()?.contains("refused"));
    Ok(())
}
