//! Clients that are gone before the agent looks at them: nobody's, and least of all root's.

use anyhow::Result;
use interceptor_tests::backend::Backend;
use interceptor_tests::{Agent, World};

use super::{TEXT, assert_masked, loopback};

/// A whole request and one byte behind it, which keeps the agent from reading on to the end; and then no client any more.
const ASK_AND_CLOSE: &str = "
import raw, socket, sys
sock = socket.create_connection(('127.0.0.1', 15480))
request = raw.request(sys.argv[1], 'localhost:15480').replace(b' /v1', b' /api.anthropic.com/v1')
sock.sendall(request.replace(b'Connection: close\\r\\n', b'') + b'G')
sock.close()
";

#[test]
fn who_closes_at_once_is_not_taken_for_root() -> Result<()> {
    let world = World::on(Backend::Off)?;
    let mut options = loopback("");
    options.tables += "
[[policies]]
name = \"trusted\"
match.uid = [0]
mode = \"report-only\"
";
    let agent = Agent::start(&world, &options)?;
    // It looks when it is awake again, and the client is gone by then.
    agent.signal("STOP")?;
    let client = world.client(&agent.bundle()).uid(1000);
    let asked = client.code_with(ASK_AND_CLOSE, [TEXT]);
    agent.signal("CONT")?;
    asked?;
    let event = agent.exchanges_after(0)?.remove(0);
    assert!(event["uid"].is_null(), "nobody's: {event:#}");
    assert_masked(&world, &agent, 1)
}
