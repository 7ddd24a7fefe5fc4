//! Heads that are too much, or no heads at all.

use anyhow::Result;

use super::survive;

#[test]
fn a_head_beyond_the_limits_is_told_so() -> Result<()> {
    let attack = r#"
text = hostile.body()
def case(headers, head=hostile.HEAD):
    return [(head + headers + f'Content-Length: {len(text)}\r\n\r\n').encode() + text]
hostile.report({
    'ten thousand headers': case(''.join(f'x{number}: y\r\n' for number in range(10_000))),
    'one header ten thousand times': case('x: y\r\n' * 10_000),
    'a header of 1 MiB': case('x: ' + 'y' * (1 << 20) + '\r\n'),
    'a name of 1 MiB': case('x' * (1 << 20) + ': y\r\n'),
    'a target of 1 MiB': case('', hostile.HEAD.replace('/v1/messages', '/v1/messages?' + 'y' * (1 << 20))),
})
"#;
    let said = survive(attack)?.said;
    assert_eq!(said.lines().count(), 5, "{said}");
    for line in said.lines() {
        let status = line.rsplit(' ').next().unwrap_or_default();
        assert!(
            matches!(status, "400" | "414" | "431"),
            "{line} of:\n{said}"
        );
    }
    Ok(())
}

#[test]
fn what_is_no_request_is_told_so() -> Result<()> {
    let attack = r#"
hostile.report({name: [data] for name, data in {
    'garbage': hostile.MARK.encode() + b'\r\n\r\n',
    'zeros': bytes(4096),
    'TLS in TLS': b'\x16\x03\x01\x02\x00' + bytes(600),
    'no version': b'POST /v1/messages\r\n\r\n',
    'another version': b'POST /v1/messages HTTP/3.0\r\n\r\n',
    'a space in the target': b'POST /v1/ messages HTTP/1.1\r\nHost: api.anthropic.com\r\n\r\n',
}.items()})
"#;
    let said = survive(attack)?.said;
    assert_eq!(said.lines().count(), 6, "{said}");
    for line in said.lines() {
        assert!(line.ends_with(": 400"), "{line} of:\n{said}");
    }
    Ok(())
}
