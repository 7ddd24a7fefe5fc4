//! What many connections leave behind in the agent and in the kernel: nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

/// Connections, eight at a time: one in eight to the end of a request, the others given up or refused before it.
const LOAD: &str = "
import raw, ssl, sys
from concurrent.futures import ThreadPoolExecutor
context = ssl.create_default_context()
def call(number):
    match number % 8:
        case 0:
            sock = context.wrap_socket(raw.connect(('v4', 'v6', 'mapped')[number % 3]), server_hostname='api.anthropic.com')
            return 'You said: at 10.77.31.8' in raw.exchange(sock, raw.request('at 10.77.31.8'))
        case 1 | 2:
            return 'plain HTTP to an LLM host' in raw.exchange(raw.connect('v4', port=80), raw.request('at 10.77.31.8'))
        case 3 | 4:
            sock = raw.connect('v6')
            sock.sendall(b'\x16\x03\x01\x02')
        case _:
            sock = raw.connect('mapped')
    sock.close()
    return 0
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(call, range(int(sys.argv[1])))))
";

fn descriptors(agent: &Agent<'_>) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", agent.pid()))?.count())
}

#[test]
fn two_thousand_connections_later_it_is_as_big_as_before() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(60));
    assert_eq!(
        client.code_with(LOAD, ["400"])?,
        "150\n",
        "{}",
        agent.log()?
    );
    let (memory, open) = (agent.memory("VmRSS")?, descriptors(&agent)?);
    assert_eq!(
        client.code_with(LOAD, ["2000"])?,
        "750\n",
        "{}",
        agent.log()?
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    while pins::pending(&world)? > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(pins::pending(&world)?, 0);
    let grown = agent.memory("VmRSS")?.saturating_sub(memory);
    assert!(grown < 8 * 1024, "{grown} KiB more than {memory} KiB");
    // A few pooled connections more or less.
    let now = descriptors(&agent)?;
    assert!(now < open + 16, "{now} descriptors, {open} before");
    Ok(())
}
