//! HTTP/2 abused: floods end the connection, never the agent.

use anyhow::Result;

use super::survive;

/// The attack's only line: how its connection, or the one stream on it, ended.
fn ends(attack: &str) -> Result<String> {
    let opened = "
from hostile import *
sock = http2()
def flood(frames):
    try:
        for frame in frames:
            sock.sendall(frame)
    except OSError:
        pass
";
    Ok(survive(&format!("{opened}{attack}\nprint(ended(sock))"))?
        .said
        .trim()
        .to_owned())
}

#[test]
fn a_header_block_without_end_is_cut_off() -> Result<()> {
    let said = ends("
flood([frame(HEADERS, 0, 1, request_fields())] + 5000 * [frame(CONTINUATION, 0, 1, field('x', MARK * 300))])
")?;
    assert!(said.starts_with("goaway") || said == "closed", "{said}");
    Ok(())
}

#[test]
fn too_many_fields_are_refused() -> Result<()> {
    let said = ends("
block = request_fields() + field('x', MARK) * 10_000
parts = [block[at:at + 16_000] for at in range(0, len(block), 16_000)]
flood([frame(HEADERS, END_STREAM, 1, parts[0])] + [frame(CONTINUATION, 0, 1, part) for part in parts[1:-1]]
      + [frame(CONTINUATION, END_HEADERS, 1, parts[-1])])
")?;
    // 431 where the server still reads the block to its end.
    assert!(
        said.starts_with("goaway")
            || said.starts_with("reset")
            || said == "answered"
            || said == "closed",
        "{said}"
    );
    Ok(())
}

#[test]
fn streams_reset_as_soon_as_they_open_end_the_connection() -> Result<()> {
    // CVE-2023-44487, three times as many as are pending at once.
    let said = ends("
flood(frame(HEADERS, END_HEADERS, stream, request_fields()) + frame(RST_STREAM, 0, stream, bytes(3) + b'\\x08')
      for stream in range(1, 20_001, 2))
")?;
    // 11 is ENHANCE_YOUR_CALM.
    assert!(said == "goaway 11" || said == "closed", "{said}");
    Ok(())
}

#[test]
fn broken_frames_end_the_connection() -> Result<()> {
    for (name, frames) in [
        ("an unknown stream", "[frame(DATA, END_STREAM, 9, body())]"),
        (
            "an even stream",
            "[frame(HEADERS, END_HEADERS, 2, request_fields())]",
        ),
        (
            "a broken header block",
            "[frame(HEADERS, END_HEADERS, 1, b'\\xff' * 64)]",
        ),
        (
            "a length that lies",
            "[frame(HEADERS, END_HEADERS, 1, request_fields(4)), frame(DATA, END_STREAM, 1, body())]",
        ),
        (
            "a frame above the limit",
            "[frame(DATA, 0, 1, bytes(1 << 20))]",
        ),
        (
            "no host",
            "[frame(HEADERS, END_HEADERS, 1, request_fields().replace(b':authority', b':authoritz')), frame(DATA, END_STREAM, 1, body())]",
        ),
    ] {
        let said = ends(&format!("flood({frames})"))?;
        assert!(
            said.starts_with("goaway") || said.starts_with("reset") || said == "closed",
            "{name}: {said}"
        );
    }
    Ok(())
}

#[test]
fn a_scheme_says_nothing_to_the_provider() -> Result<()> {
    let said = ends("
flood([frame(HEADERS, END_HEADERS, 1, request_fields(scheme=MARK)), frame(DATA, END_STREAM, 1, body('no mark'))])
")?;
    assert_eq!(said, "answered");
    Ok(())
}
