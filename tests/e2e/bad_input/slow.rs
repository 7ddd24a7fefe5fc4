//! Clients that never come to the point: each wait has an end.

use anyhow::Result;

use super::survive;

/// Seconds that a drip of bytes was put up with, by what dripped; the limits are one second.
fn patience(attack: &str) -> Result<Vec<(String, f64)>> {
    let code = format!(
        "
import socket, time
def drip(name, sock, data):
    begun = time.time()
    sock.settimeout(0.1)
    try:
        for byte in data:
            sock.sendall(bytes([byte]))
            try:
                said = sock.recv(4096)
                if said == b'' or said.startswith(b'HTTP/1.1 408 '):
                    name += ' told' if said else ''
                    break
            except TimeoutError:
                pass
            if time.time() - begun > 6:
                break
    except OSError:
        pass
    print(name, time.time() - begun, sep='=', flush=True)
{attack}"
    );
    let said = survive(&code)?.said;
    said.lines()
        .map(|line| {
            let (name, seconds) = line.split_once('=').unwrap_or((line, ""));
            Ok((name.to_owned(), seconds.parse()?))
        })
        .collect()
}

#[test]
fn a_client_hello_that_drips_is_cut_off() -> Result<()> {
    let waited = patience(
        "
record = b'\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03' + bytes(500)
drip('hello', raw.connect('v4'), record)
drip('plain head', raw.connect('v4', port=80), b'GET / HTTP/1.1\\r\\nHost: api.anthropic.com\\r\\n' + b'x: y\\r\\n' * 90)
",
    )?;
    assert_eq!(waited.len(), 2);
    for (name, seconds) in waited {
        assert!((0.9..4.0).contains(&seconds), "{name}: {seconds} s");
    }
    Ok(())
}

#[test]
fn a_head_that_drips_is_cut_off() -> Result<()> {
    let waited = patience(
        "
drip('first head', hostile.tls(), hostile.post(hostile.body(), *90 * ['x: y']))
sock = hostile.tls()
sock.sendall(hostile.post(hostile.body('no mark')))
hostile.answer(sock)
drip('second head', sock, hostile.post(hostile.body(), *90 * ['x: y']))
",
    )?;
    assert_eq!(waited.len(), 2);
    for (name, seconds) in waited {
        assert!(name.ends_with("told"), "{name}");
        assert!((0.9..4.0).contains(&seconds), "{name}: {seconds} s");
    }
    Ok(())
}

#[test]
fn a_body_that_stops_is_told_so() -> Result<()> {
    let attack = "
half = hostile.post(hostile.body() + b' ' * 100)[:-50]
chunked = (hostile.HEAD + 'Transfer-Encoding: chunked\\r\\n\\r\\n').encode() + b'5\\r\\n{\"mod'
hostile.report({'a length': [half], 'chunked': [chunked]})
sock = hostile.http2()
sock.sendall(hostile.frame(hostile.HEADERS, hostile.END_HEADERS, 1, hostile.request_fields()))
sock.sendall(hostile.frame(hostile.DATA, 0, 1, hostile.body()))
print('HTTP/2:', hostile.ended(sock))
";
    assert_eq!(
        survive(attack)?.said,
        "a length: 408\nchunked: 408\nHTTP/2: answered\n"
    );
    Ok(())
}

#[test]
fn many_slow_clients_leave_room_for_others() -> Result<()> {
    // `survive` calls as an honest client all the while.
    let attack = "
import time
socks = [raw.connect('v4') for _ in range(300)]
for sock in socks:
    sock.sendall(b'\\x16\\x03\\x01')
time.sleep(0.5)
print(len(socks))
";
    assert_eq!(survive(attack)?.said, "300\n");
    Ok(())
}
