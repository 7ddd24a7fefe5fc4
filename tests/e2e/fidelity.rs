//! What is not masked arrives as it was sent, to the byte: bodies, coded bodies, heads.

mod answers;
mod conversation;
mod turns;

use anyhow::{Context as _, Result};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, Client, World, coding};

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const CHAT: &str = "https://api.openai.com/v1/chat/completions";

/// Everything that a parser and writer of JSON would not give back as it was.
const ODD: &str = "{ \"zeta\" : 1.0,\t\"alpha\":12345678901234567890,\r\n \"e\":1E+2, \"z\":-0.0, \"dup\":1,\"dup\":2,\
    \"big\":1e400, \"model\":\"stub\",\"max_tokens\":9, \"t\":[ ],\"o\":{ },\
    \"messages\":[{\"content\":\"caf\\u00e9 \\/ \\u002f é \\ud83d\\uDE00 \\b\",\"role\":\"user\"}] } \n";

fn post_file(client: &Client<'_>, world: &World, body: &[u8], args: &[&str]) -> Result<Vec<u8>> {
    let file = world.dir().join("body");
    std::fs::write(&file, body)?;
    world.upstream.record().clear();
    let data = format!("@{}", file.display());
    let ran = client.curl(["--fail", "--data-binary", &data].iter().chain(args))?;
    let seen = world
        .upstream
        .record()
        .last()
        .with_context(|| format!("the provider got nothing: {ran:?}"))?;
    Ok(seen.body.to_vec())
}

#[test]
fn a_body_in_which_nothing_is_found_arrives_as_it_is_whatever_its_coding() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for url in [MESSAGES, CHAT] {
        for http in ["--http1.1", "--http2"] {
            let got = post_file(&client, &world, ODD.as_bytes(), &[http, url])?;
            assert_eq!(String::from_utf8_lossy(&got), ODD, "{http} {url}");
            for coding in coding::CODINGS {
                let coded = runtime.block_on(coding::encoded(coding, ODD.as_bytes()))?;
                let header = format!("content-encoding: {coding}");
                let got = post_file(&client, &world, &coded, &[http, "--header", &header, url])?;
                let plain = runtime.block_on(coding::decoded(coding, &got))?;
                assert_eq!(
                    String::from_utf8_lossy(&plain),
                    ODD,
                    "{http} {url} {coding}"
                );
                // The others may carry what nobody reads, and are coded anew.
                let stays = ["gzip", "deflate"].contains(&coding);
                assert!(got == coded || !stays, "{http} {url} {coding}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_a_coding_carries_beside_the_body_does_not_leave() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let hidden = b"at 10.77.31.8";
    let mut gzip = runtime.block_on(coding::encoded("gzip", ODD.as_bytes()))?;
    // FCOMMENT
    gzip[3] = 1 << 4;
    gzip.splice(10..10, hidden.iter().copied().chain([0]));
    let mut zstd = b"\x50\x2a\x4d\x18\x0d\0\0\0".to_vec();
    zstd.extend_from_slice(hidden);
    zstd.extend(runtime.block_on(coding::encoded("zstd", ODD.as_bytes()))?);
    for (coding, coded) in [("gzip", gzip), ("zstd", zstd)] {
        assert!(coded.windows(hidden.len()).any(|part| part == hidden));
        let header = format!("content-encoding: {coding}");
        let got = post_file(&client, &world, &coded, &["--header", &header, MESSAGES])?;
        assert!(
            !got.windows(hidden.len()).any(|part| part == hidden),
            "{coding}"
        );
        let plain = runtime.block_on(coding::decoded(coding, &got))?;
        assert_eq!(String::from_utf8_lossy(&plain), ODD, "{coding}");
    }
    Ok(())
}

#[test]
fn beside_a_masked_value_every_byte_stays() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let body = ODD.replace("\\b", "at 10.77.31.8\\b");
    let masked = ODD.replace("\\b", "at PRIVATE_IP_001\\b");
    for url in [MESSAGES, CHAT] {
        let got = post_file(&client, &world, body.as_bytes(), &[url])?;
        assert_eq!(String::from_utf8_lossy(&got), masked, "{url}");
        let coded = runtime.block_on(coding::encoded("gzip", body.as_bytes()))?;
        let got = post_file(
            &client,
            &world,
            &coded,
            &["--header", "content-encoding: gzip", url],
        )?;
        let plain = runtime.block_on(coding::decoded("gzip", &got))?;
        assert_eq!(String::from_utf8_lossy(&plain), masked, "{url}, in gzip");
    }
    Ok(())
}

#[test]
fn a_long_body_arrives_whole() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let long = "Words, words and words. ".repeat(1 << 16);
    let body = ODD.replace("\\b", &format!("{long} at 10.77.31.8"));
    // Above 1 MiB curl asks first whether to send it.
    for http in ["--http1.1", "--http2"] {
        let got = post_file(&client, &world, body.as_bytes(), &[http, CHAT])?;
        let masked = body.replace("10.77.31.8", "PRIVATE_IP_001");
        assert!(got == masked.as_bytes(), "{http}: {} bytes", got.len());
    }
    Ok(())
}

/// The request heads that the provider got over HTTP/1.1, as they stood on the wire.
fn heads(world: &World) -> Vec<String> {
    let all = String::from_utf8_lossy(&world.upstream.record().everything()).into_owned();
    let heads = all
        .split("\r\n\r\n")
        .filter_map(|part| Some(&part[part.find("POST /")?..]));
    heads.map(str::to_owned).collect()
}

#[test]
fn a_head_keeps_its_fields_their_order_and_their_case() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let fields = "zz-Odd-CASE: 1\\r\\nHOST: api.anthropic.com\\r\\nContent-Type: application/json\\r\\nx-a: 1\\r\\nX-A: 2\\r\\nContent-LENGTH: %d\\r\\n\
                  User-Agent: own/1\\r\\nx-b:  two  words \\r\\naccept: */*\\r\\n";
    let code = format!(
        "
import raw
for text in ('hello', 'at 10.77.31.8'):
    body = '{{\"model\":\"stub\",\"messages\":[{{\"role\":\"user\",\"content\":\"%s\"}}]}}' % text
    sock = raw.tls(raw.connect('v4'))
    sock.sendall(('POST /v1/messages HTTP/1.1\\r\\n' + '{fields}' % len(body) + '\\r\\n' + body).encode())
    print(sock.recv(12).decode())
"
    );
    let direct = world.direct_client().code(&code)?;
    let as_sent = heads(&world);
    world.upstream.record().clear();
    assert_eq!(world.client(&agent.bundle()).code(&code)?, direct);
    let got = heads(&world);
    assert_eq!((as_sent.len(), got.len()), (2, 2));
    let normal = |head: &String| -> Vec<String> {
        // Space around a value means nothing, and the masked body has a length of its own.
        let fields = head.lines().map(|line| {
            line.split_once(':')
                .map_or(line.to_owned(), |(name, value)| {
                    format!("{name}:{}", value.trim())
                })
        });
        let fields = fields.map(|field| {
            if field.starts_with("Content-LENGTH") {
                "Content-LENGTH".to_owned()
            } else {
                field
            }
        });
        fields.collect()
    };
    for (sent, got) in as_sent.iter().zip(&got) {
        assert_eq!(normal(got), normal(sent));
    }
    Ok(())
}

#[test]
fn names_that_came_too_early_to_be_looked_at_leave_in_lower_case() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import hostile
text = hostile.body('hello')
request = hostile.post(text, 'X-Odd-CASE: 1')
for cut in (0, 30, request.index(b'CASE'), len(request)):
    sock = hostile.tls()
    sock.sendall(request + request[:cut])
    print(hostile.answer(sock)[0])
    sock.sendall(request[cut:])
    print(hostile.answer(sock)[0])
";
    let said = world.client(&agent.bundle()).code(code)?;
    assert_eq!(said, "200\n".repeat(8));
    let odd = |head: String| head.contains("X-Odd-CASE: 1");
    let got: Vec<_> = heads(&world).into_iter().map(odd).collect();
    assert_eq!(got, [true, true, true, false, true, false, true, false]);
    Ok(())
}

#[test]
fn no_field_is_added_or_lost_with_any_client() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let names = |world: &World| -> Result<Vec<(String, String)>> {
        let seen = world
            .upstream
            .record()
            .last()
            .context("the provider got nothing")?;
        let fields = seen
            .headers
            .iter()
            .filter(|(name, _)| *name != "connection");
        Ok(fields
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect())
    };
    let calls: [&[&str]; 4] = [
        &["--http1.1", "--data", ODD, MESSAGES],
        &["--http2", "--data", ODD, CHAT],
        &["--http1.1", "https://api.openai.com/v1/models"],
        &["--http2", "https://api.openai.com/v1/models"],
    ];
    for call in calls {
        world.direct_client().curl(call)?;
        let sent = names(&world)?;
        world.client(&agent.bundle()).curl(call)?;
        assert_eq!(names(&world)?, sent, "{call:?}");
    }
    for (script, http2) in [("anthropic_sdk.py", false), ("openai_sdk.py", true)] {
        let ask = serde_json::json!({ "model": "stub", "text": "hello", "http2": http2 });
        world.direct_client().python(script, &ask)?;
        let sent = names(&world)?;
        world.client(&agent.bundle()).python(script, &ask)?;
        assert_eq!(names(&world)?, sent, "{script}");
    }
    Ok(())
}
