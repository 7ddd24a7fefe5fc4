//! `getsockname`: how the agent learns its namespace's cookie on kernels that don't say it; on others it is not attached.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interceptor_common::SCHEMA;
use interceptor_tests::agent::Options;
use interceptor_tests::{Agent, World, pins};

#[test]
fn the_agent_and_the_kernel_mean_the_same_namespace() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    for program in ["own_netns4", "own_netns6"] {
        let link = pins::dir(&world).join(format!("v{SCHEMA}/links/{program}"));
        assert!(!link.exists(), "{}", link.display());
    }
    let known = pins::namespaces(&world)?;
    // It takes no connection, so what the kernel files stays.
    agent.signal("STOP")?;
    let client = world.client(&agent.bundle());
    let code = "import raw, time; sock = raw.connect('v4'); time.sleep(2)";
    std::thread::scope(|scope| -> Result<()> {
        let holding = scope.spawn(|| client.code(code));
        let deadline = Instant::now() + Duration::from_secs(2);
        let filed = loop {
            if let Some(filed) = pins::handoffs(&world)?.pop() {
                break filed;
            }
            ensure!(Instant::now() < deadline, "nothing was filed");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(known, [filed.netns]);
        agent.signal("CONT")?;
        holding.join().expect("the client's thread").map(drop)
    })
}
