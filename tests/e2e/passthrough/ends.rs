//! How a connection ends: each end sees of the other's what it would see without an agent.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;
use interceptor_tests::{Agent, World};
use socket2::SockRef;

use super::{between, error_of, options, wait_for_sign};

fn reset(stream: TcpStream) -> Result<()> {
    Ok(SockRef::from(&stream).set_linger(Some(Duration::ZERO))?)
}

#[test]
fn a_half_close_leaves_the_other_half_open() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    let first = "
sock.sendall(b'question')
sock.shutdown(socket.SHUT_WR)
print(rest())
";
    let (said, heard) = between(&world, &agent, "v4", first, |mut stream| {
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(b"answer")?;
        Ok(heard)
    })?;
    assert_eq!((said.as_str(), heard.as_str()), ("6\n", "question"));

    let last = "
print(rest())
time.sleep(0.3)
sock.sendall(b'late word')
";
    let (said, heard) = between(&world, &agent, "v6", last, |mut stream| {
        stream.write_all(b"greeting")?;
        stream.shutdown(Shutdown::Write)?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        Ok(heard)
    })?;
    assert_eq!((said.as_str(), heard.as_str()), ("8\n", "late word"));
    Ok(())
}

#[test]
fn a_client_that_resets_is_a_reset_to_the_server_whatever_it_does() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    // Idle; with more under way than is taken; closed as usual, while the server goes on.
    let idle = "sock.recv(1)\nreset()";
    let full = "fill()\nreset()";
    for client in [idle, full] {
        let (_, error) = between(&world, &agent, "v4", client, |mut stream| {
            stream.write_all(&[1])?;
            error_of(&stream)
        })?;
        assert_eq!(error, ErrorKind::ConnectionReset, "{client}");
    }
    let (_, error) = between(&world, &agent, "v4", "sock.close()", |mut stream| {
        assert_eq!(stream.read(&mut [0])?, 0);
        stream.write_all(&[1])?;
        error_of(&stream)
    })?;
    // As it is for a socket that got a FIN before.
    assert_eq!(error, ErrorKind::BrokenPipe);
    Ok(())
}

#[test]
fn a_server_that_resets_is_a_reset_to_the_client_after_what_it_said() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    let client = "
time.sleep(0.5)
length = 0
try:
    while part := sock.recv(1000):
        length += len(part)
except ConnectionResetError:
    print(length, 'reset')
";
    for length in [0, 1, 50_000] {
        let (said, ()) = between(&world, &agent, "v4", client, |mut stream| {
            stream.write_all(&vec![1; length])?;
            // What the agent was told in time it must pass on.
            std::thread::sleep(Duration::from_millis(100));
            reset(stream)
        })?;
        assert_eq!(said, format!("{length} reset\n"));
    }
    let (said, ()) = between(
        &world,
        &agent,
        "v4",
        "fill()\nsign.touch()\nprint(error())",
        |stream| {
            wait_for_sign(&world)?;
            reset(stream)
        },
    )?;
    assert_eq!(said, "ECONNRESET\n", "with more under way than is taken");
    Ok(())
}

#[test]
fn a_server_that_refuses_is_a_reset() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    let code = "
import raw
sock = raw.connect('v4', '198.51.100.50', 8443)
sock.sendall(b'\\0')
print(raw.refused(lambda: sock.recv(1)))
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "ConnectionResetError\n");
    Ok(())
}

#[test]
fn an_agent_that_stops_or_dies_resets_both_ends_at_once() -> Result<()> {
    let world = World::new()?;
    for signal in ["TERM", "KILL"] {
        let mut agent = Agent::start(&world, &options())?;
        let client = "print(raw.refused(lambda: sock.recv(1)))";
        let (said, error) = between(&world, &agent, "v4", client, |stream| {
            agent.signal(signal)?;
            error_of(&stream)
        })?;
        assert_eq!(
            (said.as_str(), error),
            ("ConnectionResetError\n", ErrorKind::ConnectionReset),
            "{signal}"
        );
        let began = Instant::now();
        let ended = agent.wait()?;
        assert_eq!(ended.success(), signal == "TERM", "{}", agent.log()?);
        // Nothing is left that a drain would wait for.
        assert!(began.elapsed() < Duration::from_secs(3), "{signal}");
    }
    Ok(())
}
