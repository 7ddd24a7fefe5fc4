//! Requests that two readers could take for different ones (RFC 9112 §11.2): refused, and the connection is over.

use anyhow::Result;

use super::survive;

#[test]
fn a_smuggled_request_is_never_sent_on() -> Result<()> {
    // Each carries a second request where one of the two readings would find it.
    let attack = r#"
text = hostile.body()
hidden = hostile.post(text)
chunked = b'%x\r\n%s\r\n0\r\n\r\n' % (len(text), text)
length = f'Content-Length: {len(text)}\r\n'
def case(headers, data, head=hostile.HEAD):
    return [(head + headers + '\r\n').encode() + data + hidden]
hostile.report({
    'CL.TE': case('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', chunked),
    'TE.CL': case('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', chunked),
    'two lengths': case(length + 'Content-Length: 4\r\n', text),
    'a list of lengths': case('Content-Length: 4, 5\r\n', text),
    'a signed length': case('Content-Length: +4\r\n', text),
    'a length in hex': case('Content-Length: 0x4\r\n', text),
    'a length beyond 64 bits': case('Content-Length: 18446744073709551617\r\n', text),
    'chunked twice': case('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', chunked),
    'chunked not last': case('Transfer-Encoding: chunked, gzip\r\n', chunked),
    'not quite chunked': case('Transfer-Encoding: xchunked\r\n', chunked),
    'a space before the colon': case('Transfer-Encoding : chunked\r\n', chunked),
    'a folded line': case('X: y\r\n ' + length, text),
    'a folded coding': case('Transfer-Encoding:\r\n chunked\r\n', chunked),
    'a NUL in a name': case('X\0: y\r\n' + length, text),
    'a NUL in a value': case('X: \0y\r\n' + length, text),
    'a bare CR': case('X: y\rTransfer-Encoding: chunked\r\n' + length, text),
    'chunked in HTTP/1.0': case('Transfer-Encoding: chunked\r\n', chunked, hostile.HEAD.replace('1.1', '1.0')),
    'a chunk size beyond 64 bits': case('Transfer-Encoding: chunked\r\n', b'1' + b'0' * 16 + b'\r\n' + chunked),
    'a negative chunk': case('Transfer-Encoding: chunked\r\n', b'-1\r\n' + chunked),
    'a chunk longer than it says': case('Transfer-Encoding: chunked\r\n', b'2\r\n' + text + b'\r\n0\r\n\r\n'),
})
"#;
    let said = survive(attack)?.said;
    assert_eq!(said.lines().count(), 20, "{said}");
    for line in said.lines() {
        assert!(line.ends_with(": 400"), "{line} of:\n{said}");
    }
    Ok(())
}

#[test]
fn lines_that_end_in_a_bare_line_feed_hide_nothing() -> Result<()> {
    // A lone LF may end a line (RFC 9112 §2.2): such a head is refused, or read as what it plainly says.
    let attack = r#"
text = hostile.body()
chunked = b'%x\r\n%s\r\n0\r\n\r\n' % (len(text), text)
def bare(headers):
    return (hostile.HEAD + headers + '\r\n').replace('\r\n', '\n').encode()
hostile.report({
    'both framings': [bare('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n') + chunked],
    'only inside': [(hostile.HEAD + 'X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n').encode() + chunked],
    'a chunk line': [(hostile.HEAD + 'Transfer-Encoding: chunked\r\n\r\n').encode() + chunked.replace(b'\r\n', b'\n')],
})
"#;
    let said = survive(attack)?.said;
    assert_eq!(said.lines().count(), 3, "{said}");
    for line in said.lines() {
        assert!(line.ends_with(": 400"), "{line} of:\n{said}");
    }
    Ok(())
}

#[test]
fn other_names_and_other_protocols_on_the_connection_are_refused() -> Result<()> {
    let attack = r#"
text = hostile.body()
good = hostile.post(text).decode()
upgrade = 'Connection: Upgrade\r\nUpgrade: '
hostile.report({name: [data.encode()] for name, data in {
    'another host': good.replace('api.anthropic.com', 'api.openai.com'),
    'two hosts': good.replace('Host:', 'Host: api.openai.com\r\nHost:'),
    'no host': good.replace('Host: api.anthropic.com\r\n', ''),
    'another host in the target': good.replace('/v1/messages', 'https://api.openai.com/v1/messages'),
    'a user in the host': good.replace('Host: ', 'Host: api.openai.com@'),
    'CONNECT': good.replace('POST /v1/messages', 'CONNECT api.openai.com:443'),
    'HTTP/2 in clear': good.replace('Host:', upgrade + 'h2c\r\nHost:').replace('/v1/messages', '/nowhere'),
    'a WebSocket': good.replace('Host:', upgrade + 'websocket\r\nHost:').replace('/v1/messages', '/v1/messages/stream'),
}.items()})
"#;
    assert_eq!(
        survive(attack)?.said,
        "another host: 421\ntwo hosts: 421\nno host: 421\nanother host in the target: 421\n\
         a user in the host: 421\nCONNECT: 421\nHTTP/2 in clear: 403\na WebSocket: 403\n"
    );
    Ok(())
}
