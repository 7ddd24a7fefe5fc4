//! What no honest client sends: told so in HTTP where that is possible, and nothing of it gets to the provider.

mod body;
mod framing;
mod head;
mod http2;
mod slow;

use std::thread;

use anyhow::{Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World};

/// In every bad request; must not reach the provider.
const MARK: &str = "hostile-mark";

/// Time limits that a test can wait for.
const LIMITS: &str = "[limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"";

const HONEST: [&str; 7] = [
    "--max-time",
    "8",
    "--data",
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#,
    "--write-out",
    "%{http_code}",
    "https://api.anthropic.com/v1/messages",
];

/// What an attack said, and what it cost.
struct Survived {
    /// Printed by the attack.
    said: String,
    /// The most memory that the agent had before and after, in KiB.
    memory: (u64, u64),
}

/// Runs an attack, Python that has `hostile`, and honest calls beside it until it is over. Fails where one of those
/// is not served, where the agent panics or ends, or where the provider sees the mark.
fn survive(attack: &str) -> Result<Survived> {
    let world = World::new()?;
    let options = Options {
        tables: LIMITS.to_owned(),
        ..Options::default()
    };
    let agent = Agent::start(&world, &options)?;
    let client = world.client(&agent.bundle());
    let honest = || -> Result<()> {
        let ran = client.curl(HONEST)?;
        let right = ran.stdout.contains("You said: at 10.77.31.8") && ran.stdout.ends_with("200");
        ensure!(right, "an honest client got {ran:?}\n{}", agent.log()?);
        Ok(())
    };
    honest()?;
    let before = agent.memory("VmHWM")?;
    let said = thread::scope(|scope| -> Result<String> {
        let attacking = scope.spawn(|| client.code(&format!("import hostile, raw\n{attack}")));
        while !attacking.is_finished() {
            honest()?;
        }
        attacking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    honest()?;
    let log = agent.log()?;
    ensure!(!log.contains("panicked"), "{log}");
    ensure!(
        !log.contains(MARK),
        "the log has what a client sent:\n{log}"
    );
    let record = world.upstream.record();
    let got = String::from_utf8_lossy(&record.everything()).contains(MARK);
    ensure!(
        !got,
        "the provider got it; the attack was told:\n{said}\nthe last of {} requests: {:?}",
        record.requests().len(),
        record
            .requests()
            .iter()
            .rfind(|seen| String::from_utf8_lossy(&seen.plain).contains(MARK))
    );
    Ok(Survived {
        said,
        memory: (before, agent.memory("VmHWM")?),
    })
}

#[test]
fn the_same_by_hand_and_well_formed_is_answered() -> Result<()> {
    // What the attacks vary: were it refused for another reason, they would show nothing.
    let attack = "
good = hostile.body('no mark')
hostile.report({
    'a length': [hostile.post(good)],
    'chunked': [(hostile.HEAD + 'Transfer-Encoding: chunked\\r\\n\\r\\n').encode() + b'%x\\r\\n%s\\r\\n0\\r\\n\\r\\n' % (len(good), good)],
})
sock = hostile.http2()
sock.sendall(hostile.frame(hostile.HEADERS, hostile.END_HEADERS, 1, hostile.request_fields()))
sock.sendall(hostile.frame(hostile.DATA, hostile.END_STREAM, 1, good))
print('HTTP/2:', hostile.ended(sock))
";
    assert_eq!(
        survive(attack)?.said,
        "a length: 200\nchunked: 200\nHTTP/2: answered\n"
    );
    Ok(())
}
