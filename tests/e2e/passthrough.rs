//! Connections to hosts that are none of ours behave as if there were no agent.

mod ends;
mod many;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};
use socket2::{Domain, Socket, Type};

/// Where the tests' own server listens, as any address.
const PORT: u16 = 8443;

/// What every client begins with: no TLS and no HTTP, so that nobody waits for more of it.
const CONNECT: &str = "
import errno, hashlib, os, pathlib, raw, socket, struct, sys, threading, time
sock = raw.connect(sys.argv[1], '198.51.100.50', 8443)
sock.sendall(b'\\0')
sign = pathlib.Path(sys.argv[2])
def rest():
    length = 0
    while part := sock.recv(1 << 20):
        length += len(part)
    return length
def error():
    'What a socket is told of that neither reads nor writes.'
    for _ in range(500):
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return errno.errorcode[code]
        time.sleep(0.01)
def reset():
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    sock.close()
def fill():
    'Sends until nothing was taken for a second.'
    sock.settimeout(1)
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(65536))
    except TimeoutError:
        sock.settimeout(10)
        return sent
";

fn options() -> Options {
    Options {
        steering: format!("ports = [443, {PORT}]"),
        ..Options::default()
    }
}

/// One connection through the agent: Python that has it as `sock`, and our end of it. What both made of it. A file at
/// [`sign`], which the client has as `sign`, is how either tells the other something beside it.
fn between<T: Send>(
    world: &World,
    agent: &Agent<'_>,
    kind: &str,
    client: &str,
    server: impl FnOnce(TcpStream) -> Result<T> + Send,
) -> Result<(String, T)> {
    if sign(world).exists() {
        fs::remove_file(sign(world))?;
    }
    let listener = world.provider.run(listen)??;
    std::thread::scope(|scope| {
        let served = scope.spawn(move || -> Result<T> {
            let mut stream = TcpStream::from(listener.accept().context("nobody came")?.0);
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.set_write_timeout(Some(Duration::from_secs(10)))?;
            stream.read_exact(&mut [0])?;
            server(stream)
        });
        let said = world
            .client(&agent.bundle())
            .timeout(Duration::from_secs(60))
            .code_with(
                &format!("{CONNECT}{client}"),
                [OsStr::new(kind), sign(world).as_os_str()],
            );
        let served = served
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((said?, served?))
    })
}

fn sign(world: &World) -> PathBuf {
    world.dir().join("sign")
}

/// Waits for the client's sign.
fn wait_for_sign(world: &World) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sign(world).exists() {
        ensure!(Instant::now() < deadline, "the client gave no sign");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn listen() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    // It counts for accept too.
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.bind(&SocketAddr::from(([0_u16; 8], PORT)).into())?;
    socket.listen(1)?;
    Ok(socket)
}

/// The pipes that a process has open, and all its descriptors.
fn descriptors(pid: u32) -> Result<(usize, usize)> {
    let (mut pipes, mut all) = (0, 0);
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        all += 1;
        // It may be closed meanwhile.
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        pipes += usize::from(target.to_string_lossy().starts_with("pipe:"));
    }
    Ok((pipes, all))
}

/// Waits for an error that nobody read or wrote to get.
fn error_of(stream: &TcpStream) -> Result<io::ErrorKind> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(error) = stream.take_error()? {
            return Ok(error.kind());
        }
        ensure!(Instant::now() < deadline, "no error came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends 64 MiB and compares what comes back meanwhile.
const ECHOED: &str = "
sent, got, block = hashlib.sha256(), hashlib.sha256(), os.urandom(1 << 20)
def send():
    for turn in range(64):
        part = block + bytes([turn])
        sent.update(part)
        sock.sendall(part)
    sock.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send)
sender.start()
length = 0
while part := sock.recv(1 << 20):
    got.update(part)
    length += len(part)
sender.join()
print(length, sent.digest() == got.digest())
";

fn echo(mut stream: TcpStream) -> Result<u64> {
    Ok(io::copy(&mut stream.try_clone()?, &mut stream)?)
}

#[test]
fn what_is_sent_both_ways_at_once_arrives_as_it_was() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    let length = 64 * ((1 << 20) + 1);
    for kind in ["v4", "v6", "mapped"] {
        let (said, echoed) = between(&world, &agent, kind, ECHOED, echo)?;
        assert_eq!(
            (said, echoed),
            (format!("{length} True\n"), length),
            "{kind}"
        );
    }
    Ok(())
}

#[test]
fn with_no_descriptor_left_it_goes_on() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    let pid = agent.pid();
    let (before, _) = descriptors(pid)?;
    // Nothing passes before, so that no pipe is kept from then.
    let script = format!("while not sign.exists(): time.sleep(0.01){ECHOED}");
    let (said, _) = between(&world, &agent, "v4", &script, |stream| {
        let limited = Command::new("prlimit")
            .args(["--pid", &pid.to_string(), "--nofile=4:"])
            .status()?;
        ensure!(limited.success(), "prlimit, of Debian's util-linux, failed");
        fs::write(sign(&world), "")?;
        echo(stream)
    })?;
    assert_eq!(said, format!("{} True\n", 64 * ((1 << 20) + 1)));
    // The agent sees the end a little after the client.
    let deadline = Instant::now() + Duration::from_secs(10);
    while descriptors(pid)?.0 != before {
        ensure!(Instant::now() < deadline, "pipes are left");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn a_side_that_reads_nothing_holds_the_other_up_and_costs_no_memory() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &options())?;
    between(&world, &agent, "v4", ECHOED, echo)?;
    let before = agent.memory("VmHWM")?;
    let (said, got) = between(
        &world,
        &agent,
        "v4",
        "print(fill())\nsign.touch()\nsock.shutdown(socket.SHUT_WR)\nassert sock.recv(1) == b'\\1'",
        |mut stream| {
            wait_for_sign(&world)?;
            let got = io::copy(&mut stream, &mut io::sink())?;
            stream.write_all(&[1])?;
            Ok(got)
        },
    )?;
    assert_eq!(said.trim(), got.to_string());
    assert!(got < 64 << 20, "{got} bytes were taken and not read");
    let (said, sent) = between(
        &world,
        &agent,
        "v4",
        "while not sign.exists(): time.sleep(0.01)\nprint(rest())",
        |mut stream| {
            stream.set_write_timeout(Some(Duration::from_secs(1)))?;
            let mut sent = 0;
            while let Ok(more) = stream.write(&[0; 1 << 16]) {
                sent += more;
            }
            fs::write(sign(&world), "")?;
            Ok(sent)
        },
    )?;
    assert_eq!(said.trim(), sent.to_string());
    assert!(sent < 64 << 20, "{sent} bytes were taken and not read");
    let grown = agent.memory("VmHWM")?.saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB more than {before} KiB");
    Ok(())
}
