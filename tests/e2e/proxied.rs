//! CONNECT to somebody else's proxy: what is for others goes through it as it would without an agent, and nothing for an LLM
//! host does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

const PROXY: &str = "http://198.51.100.50:80";

#[test]
fn other_hosts_are_reached_as_without_an_agent() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    // Trusts the provider's own CA alone.
    let client = world.client(world.upstream.ca_file());
    let ran = client.curl(["-x", PROXY, "https://www.example.com/"])?;
    assert_eq!(ran.stdout, r#"{"stub":true}"#, "{ran:?}\n{}", agent.log()?);
    // By an address, sent at once with the CONNECT, and more than any buffer holds.
    let code = r#"
import raw, ssl
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="www.example.com")
sock = raw.connect("v4", "198.51.100.50", 80)
def shake():
    try:
        return session.do_handshake() is None
    except ssl.SSLWantReadError:
        return False
shake()
sock.sendall(b"CONNECT 198.51.100.50:443 HTTP/1.1\r\n\r\n" + outgoing.read())
head = b""
while b"\r\n\r\n" not in head:
    head += sock.recv(1)
while not shake():
    incoming.write(sock.recv(65536))
session.write(raw.request("x" * 3_000_000, "www.example.com"))
sock.sendall(outgoing.read())
answer = b""
while data := sock.recv(65536):
    incoming.write(data)
    try:
        while part := session.read(65536):
            answer += part
    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        pass
print(head.split()[1].decode(), len(answer) > 3_000_000)
"#;
    assert_eq!(client.code(code)?, "200 True\n", "{}", agent.log()?);
    Ok(())
}

#[test]
fn a_server_that_speaks_first_does_so_through_a_proxy() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let listener = world
        .provider
        .run(|| TcpListener::bind("198.51.100.50:2222"))??;
    let code = r#"
import raw, socket
sock = raw.connect("v4", "198.51.100.50", 80)
sock.sendall(b"CONNECT 198.51.100.50:2222 HTTP/1.1\r\n\r\n")
said = b""
while b"SSH-2.0-server\r\n" not in said:
    said += sock.recv(1)
sock.sendall(b"SSH-2.0-client\r\n")
sock.shutdown(socket.SHUT_WR)
print(sock.recv(99).decode())
"#;
    let heard = std::thread::scope(|scope| -> Result<String> {
        let served = scope.spawn(move || -> Result<String> {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(b"SSH-2.0-server\r\n")?;
            let mut heard = String::new();
            stream.read_to_string(&mut heard)?;
            stream.write_all(b"bye")?;
            Ok(heard)
        });
        let said = world.client(&agent.bundle()).code(code);
        assert_eq!(
            said.with_context(|| agent.log().unwrap_or_default())?,
            "bye\n"
        );
        served
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    assert_eq!(heard, "SSH-2.0-client\r\n");
    Ok(())
}

#[test]
fn llm_hosts_are_not_reached_by_any_name() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let url = "https://api.anthropic.com/v1/messages";
    let ran = client.curl(["-x", PROXY, "--data", "{}", url])?;
    assert!(ran.stderr.contains("403"), "{ran:?}");
    for to in ["198.51.100.11", "[2001:db8::11]", "www.example.com"] {
        let to = format!("api.anthropic.com:443:{to}:443");
        let ran = client.curl(["-x", PROXY, "--connect-to", &to, "--data", "{}", url])?;
        assert_eq!(ran.status.code(), Some(35), "{ran:?}");
    }
    // Once it is known whose the address is, what shows no name is refused there too.
    client.curl(["-4", "--fail", "https://api.anthropic.com/v1/models"])?;
    let before = world.upstream.record().requests().len();
    let code = "
import raw
hidden = raw.hello(None), raw.hello('front.example', ech=True)
for to, hellos in ('198.51.100.11', (*hidden, b'SSH-2.0-client\\r\\n')), ('made-up.example', hidden):
    for hello in hellos:
        sock = raw.connect('v4', '198.51.100.50', 80)
        sock.sendall(f'CONNECT {to}:443 HTTP/1.1\\r\\n\\r\\n'.encode())
        assert b' 200 ' in sock.recv(65536)
        sock.sendall(hello)
        try:
            print(sock.recv(99).hex())
        except ConnectionResetError:
            print('reset')
";
    let alert = "15030300020231";
    let said = client.code(code)?;
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said, [alert, alert, "reset", alert, alert]);
    assert_eq!(world.upstream.record().requests().len(), before);
    let metrics = agent.metrics()?;
    for (reason, times) in [("proxied", 4), ("no_sni", 2), ("ech", 2), ("not_http", 1)] {
        let counted = format!("interceptor_refused_total{{reason=\"{reason}\"}} {times}");
        assert!(metrics.contains(&counted), "{counted}\n{metrics}");
    }
    Ok(())
}

#[test]
fn what_only_a_lenient_proxy_reads_hides_no_tunnel() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = r#"
import raw, time
for line in 'GET http://other.example/a b HTTP/1.1', 'X-GET  http://other.example/ HTTP/1.1':
    # At once, and cut where a strict reader gives up.
    for cut in 0, line.index('  ' if '  ' in line else ' b') + 2:
        sock = raw.connect('v4', '198.51.100.50', 80)
        try:
            sock.sendall(line[:cut].encode())
            time.sleep(.1)
            rest = line[cut:] + '\r\nHost: other.example\r\n\r\nCONNECT api.anthropic.com:443 HTTP/1.1\r\n\r\n'
            print(raw.exchange(sock, rest.encode()))
        except (ConnectionResetError, BrokenPipeError):
            print('reset')
"#;
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "reset\n".repeat(4), "{}", agent.log()?);
    assert_eq!(world.upstream.record().requests().len(), 0);
    let counted = "interceptor_refused_total{reason=\"bad_opening\"} 4";
    assert!(agent.metrics()?.contains(counted));
    Ok(())
}

#[test]
fn a_refusal_is_not_taken_for_another_answer() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = r#"
import raw
def ask(host):
    return f'GET / HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode()
other, llm = ask('www.example.com'), ask('api.openai.com')
sock = raw.connect('v4', '198.51.100.50', 80)
sock.sendall(other)
print(sock.recv(65536)[9:12].decode())
print(raw.exchange(sock, llm)[9:12])
sock = raw.connect('v4', '198.51.100.50', 80)
try:
    print('403' in raw.exchange(sock, other + llm))
except ConnectionResetError:
    print('reset')
"#;
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "200\n403\nreset\n", "{}", agent.log()?);
    Ok(())
}

#[test]
fn plain_http_names_an_llm_host_wherever_it_is_named() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let code = r#"
import raw
llm, other = 'Host: api.openai.com', 'Host: www.example.com'
fields = 300 * ['X: y']
for target, *lines in (
    ('/v1/x', other),
    ('/web/https://api.openai.com/', other),
    ('/v1/x?u=http://www.example.com/', llm),
    ('http://api.openai.com?x', other),
    ('/v1/x', other, llm),
    ('/v1/x', *fields, llm),
    ('/v1/x', 'X: ' + 'y' * 70_000, llm),
):
    sock = raw.connect('v4', '198.51.100.50', 80)
    head = '\r\n'.join((f'POST {target} HTTP/1.1', *lines, 'Content-Length: 0', 'Connection: close', '', ''))
    try:
        print(raw.exchange(sock, head.encode())[9:12])
    except (ConnectionResetError, BrokenPipeError):
        print('reset')
"#;
    let said = client.code(code)?;
    let said: Vec<_> = said.lines().collect();
    let refused = ["403", "403", "403", "reset", "reset"];
    assert_eq!(said, [&["404", "404"][..], &refused].concat());
    assert_eq!(world.upstream.record().requests().len(), 2);
    Ok(())
}
