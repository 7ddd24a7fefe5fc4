//! An agent that is given too little memory is killed by the kernel, with requests in it: they fail, and nothing gets out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::{Options, is_alive};
use interceptor_tests::{Agent, World};

use super::{assert_masked, call, within};

/// Enough to serve, and not for bodies as big as those below.
const LIMIT: u64 = 24 << 20;

/// Requests of 12 MiB, some at once, each to its end or to the agent's.
const LOAD: &str = "
import raw
from concurrent.futures import ThreadPoolExecutor
def call(_):
    try:
        return raw.exchange(raw.tls(raw.connect('v4')), raw.request('word ' * 2_500_000 + ' at 10.77.31.8'))[:20]
    except OSError as error:
        return type(error).__name__
with ThreadPoolExecutor(6) as pool:
    print(list(pool.map(call, range(12))))
";

/// A memory cgroup of either version, for one process.
struct Limited(PathBuf);

impl Limited {
    fn make(world: &World, limit: u64) -> Result<Self> {
        let (mount, file) = mount()?;
        let group = Self(mount.join(format!("{}-memory", &world.cgroup.config_path()[1..])));
        fs::create_dir(&group.0).with_context(|| group.0.display().to_string())?;
        fs::write(group.0.join(file), limit.to_string())
            .with_context(|| format!("{file}: is the memory controller on here?"))?;
        // Where there is swap, it would go there.
        for (file, value) in [("memory.swap.max", "0"), ("memory.swappiness", "0")] {
            if group.0.join(file).exists() {
                fs::write(group.0.join(file), value)?;
            }
        }
        Ok(group)
    }

    fn take(&self, pid: u32) -> Result<()> {
        Ok(fs::write(self.0.join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Where memory is limited, and by which file: the v1 hierarchy where a host has it, else v2.
fn mount() -> Result<(PathBuf, &'static str)> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let find = |of: &dyn Fn(&str) -> bool| {
        let line = table.lines().find(|line| of(line))?;
        Some(Path::new(line.split(' ').nth(4)?).to_owned())
    };
    let v1 = |line: &str| {
        line.contains(" - cgroup ") && line.rsplit([' ', ',']).any(|option| option == "memory")
    };
    if let Some(mount) = find(&v1) {
        return Ok((mount, "memory.limit_in_bytes"));
    }
    let v2 = find(&|line| line.contains(" - cgroup2 ")).context("no cgroups")?;
    // Most systems have it on already.
    let _ = fs::write(v2.join("cgroup.subtree_control"), "+memory");
    Ok((v2, "memory.max"))
}

#[test]
fn killed_for_its_memory_it_refuses_and_started_again_it_serves() -> Result<()> {
    let world = World::new()?;
    let mut agent = Agent::start(&world, &Options::default())?;
    let client = world
        .client(&agent.bundle())
        .timeout(Duration::from_secs(60));
    assert_masked(&world, &client, &agent)?;
    let limited = Limited::make(&world, LIMIT)?;
    limited.take(agent.pid())?;
    let answers = client.code(LOAD)?;
    within(Duration::from_secs(5), || Ok(!is_alive(agent.pid())))
        .with_context(|| answers.clone())?;
    let ended = agent.wait()?;
    ensure!(
        std::os::unix::process::ExitStatusExt::signal(&ended) == Some(9),
        "{ended}: {}",
        agent.log()?
    );
    assert_eq!(call(&client)?.status.code(), Some(7));
    let agent = Agent::start(&world, &Options::default())?;
    assert_masked(&world, &client, &agent)
}
