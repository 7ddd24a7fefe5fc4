//! Thousands of connections that pass and are idle.

use std::time::{Duration, Instant};

use anyhow::Result;
use interceptor_agent::sys::raise_descriptor_limit;
use interceptor_tests::{Agent, World};

use super::{descriptors, options};

const COUNT: usize = 2500;

/// Opens connections with a whole TLS handshake, keeps them until told, and uses each once more.
const CLIENT: &str = "
import pathlib, raw, resource, ssl, sys, time
count, opened, over = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
context = ssl.create_default_context(cafile=sys.argv[4])
def connect(number):
    sock = raw.connect(('v4', 'v6', 'mapped')[number % 3], '198.51.100.50')
    return context.wrap_socket(sock, server_hostname='www.example.com')
socks = [connect(number) for number in range(count)]
opened.touch()
while not over.exists():
    time.sleep(0.05)
print(sum(' 200 OK' in raw.exchange(sock, b'GET / HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n') for sock in socks))
";

#[test]
fn an_idle_connection_costs_two_descriptors_and_little_memory() -> Result<()> {
    let world = World::new()?;
    // The stub, in here, has one for each.
    raise_descriptor_limit()?;
    let agent = Agent::start(&world, &options())?;
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(120));
    let (opened, over) = (world.dir().join("opened"), world.dir().join("over"));
    let run = |count: usize| {
        let count = count.to_string();
        let (opened, over) = (opened.to_string_lossy(), over.to_string_lossy());
        let roots = world.upstream.ca_file().to_string_lossy();
        client.code_with(CLIENT, [&*count, &*opened, &*over, &*roots])
    };
    // What the first connections set up is theirs, not that of each.
    std::fs::write(&over, "")?;
    assert_eq!(run(50)?, "50\n");
    std::fs::remove_file(&over)?;
    std::fs::remove_file(&opened)?;
    let (memory, before) = (agent.memory("VmRSS")?, descriptors(agent.pid())?);

    std::thread::scope(|scope| {
        let client = scope.spawn(|| run(COUNT));
        let deadline = Instant::now() + Duration::from_secs(100);
        while !opened.exists() && !client.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let measured = (agent.memory("VmRSS"), descriptors(agent.pid()));
        std::fs::write(&over, "")?;
        let served = client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        assert_eq!(served, format!("{COUNT}\n"), "{}", agent.log()?);
        let each = (measured.0? - memory) as usize * 1024 / COUNT;
        let (pipes, all) = measured.1?;
        assert!(each < 24 * 1024, "{each} bytes each");
        assert!(pipes < 200, "{pipes} pipes");
        let sockets = (all - pipes) - (before.1 - before.0);
        // Some of those before may have been about to close.
        assert!(
            sockets.abs_diff(2 * COUNT) < 100,
            "{sockets} descriptors more"
        );
        Ok(())
    })
}
