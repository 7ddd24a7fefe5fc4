//! By cgroup: it is the one at the connect that counts, and only names that root gave.

use std::os::unix::fs::chown;

use anyhow::{Context as _, Result};
use interceptor_tests::cgroup::Cgroup;
use interceptor_tests::{Agent, World};

use super::{ANTHROPIC, MASKED, OPENAI, TEXT, call, policies, seen_of};

/// Policies of a world's cgroups: each has one for the child of its name.
fn tables(world: &World) -> String {
    let below = world.cgroup.config_path();
    format!(
        r#"
[[policies]]
name = "watched"
match = {{ cgroup = ["{below}/watched"] }}
mode = "report-only"
[[policies]]
name = "unit"
match = {{ unit = ["trusted.service"] }}
mode = "dry-run"
[[policies]]
name = "openai-only"
match = {{ cgroup = ["{below}/confined/"] }}
hosts = ["api.openai.com"]
"#
    )
}

#[test]
fn children_of_the_steered_cgroup_are_under_their_own_policies() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &policies(&tables(&world)))?;
    let cgroups = ["watched", "watched-too", "trusted.service", "confined"];
    let cgroups: Vec<Cgroup> = cgroups
        .iter()
        .map(|name| world.cgroup.child(name))
        .collect::<Result<_>>()?;
    let inner = cgroups[0].child("inner")?;
    let in_unit = cgroups[2].child("inner")?;
    for (cgroup, name, url, status, seen) in [
        (&world.cgroup, "steered", ANTHROPIC, 200, Some(MASKED)),
        (&cgroups[0], "watched", ANTHROPIC, 200, Some(TEXT)),
        (&inner, "below watched", ANTHROPIC, 200, Some(TEXT)),
        (
            &cgroups[1],
            "a name that goes on",
            ANTHROPIC,
            200,
            Some(MASKED),
        ),
        (&cgroups[2], "unit", ANTHROPIC, 200, Some(TEXT)),
        (&in_unit, "in the unit", ANTHROPIC, 200, Some(TEXT)),
        (&cgroups[3], "confined", ANTHROPIC, 403, None),
        (&cgroups[3], "confined, allowed", OPENAI, 200, Some(MASKED)),
    ] {
        let client = world.client_of(cgroup, &agent.bundle());
        let (answered, _, ran) = call(&client, name, url)?;
        assert_eq!(answered, status, "{name}: {ran:?}");
        let seen: Vec<_> = seen.into_iter().collect();
        assert_eq!(seen_of(&world, name), seen, "{name}\n{}", agent.log()?);
    }
    drop((inner, in_unit));
    Ok(())
}

#[test]
fn a_cgroup_that_a_user_named_is_nobodys() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &policies(&tables(&world)))?;
    let users = world.cgroup.child("user@1000.service")?;
    chown(users.path(), Some(1000), None)?;
    let forged = users.child("trusted.service")?;
    let (status, ..) = call(
        &world.client_of(&forged, &agent.bundle()).uid(1000),
        "forged",
        ANTHROPIC,
    )?;
    assert_eq!(status, 200);
    assert_eq!(seen_of(&world, "forged"), [MASKED], "{}", agent.log()?);
    // The log has the name all the same.
    assert_eq!(agent.exchanges_after(0)?[0]["unit"], "trusted.service");
    drop(forged);
    Ok(())
}

/// Takes a connected socket from another process, waits until that is gone and a mark is there, and calls by it.
const TAKES: &str = "
import pathlib, raw, socket, sys, time
name, text, path, mark = sys.argv[1:]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
peer, _ = server.accept()
pid, fds, _, _ = socket.recv_fds(peer, 64, 1)
while pathlib.Path('/proc', pid.decode()).exists():
    time.sleep(0.01)
while not pathlib.Path(mark).exists():
    time.sleep(0.01)
sock = socket.socket(fileno=fds[0])
answer = raw.exchange(raw.tls(sock), raw.request(f'{name}: {text}'))
assert answer.startswith('HTTP/1.1 200'), answer
";

/// Connects, gives the socket away, and ends.
const GIVES: &str = "
import os, pathlib, raw, socket, sys, time
path, = sys.argv[1:]
sock = raw.connect('v4')
while not pathlib.Path(path).exists():
    time.sleep(0.01)
peer = socket.socket(socket.AF_UNIX)
while peer.connect_ex(path):
    time.sleep(0.01)
socket.send_fds(peer, [str(os.getpid()).encode()], [sock.fileno()])
";

/// A connection made in one cgroup, by a process that is gone then, and used in another.
fn passed(
    world: &World,
    agent: &Agent<'_>,
    name: &str,
    from: Cgroup,
    keep: bool,
    to: &Cgroup,
) -> Result<String> {
    let (path, mark) = (
        world.dir().join(format!("{name}.sock")),
        world.dir().join(name),
    );
    let giver = world.client_of(&from, &agent.bundle());
    let taker = world.client_of(to, &agent.bundle());
    std::thread::scope(|scope| -> Result<()> {
        let args = [
            name.as_ref(),
            TEXT.as_ref(),
            path.as_os_str(),
            mark.as_os_str(),
        ];
        let taking = scope.spawn(move || taker.code_with(TAKES, args));
        let gave = giver.code_with(GIVES, [path.as_os_str()]);
        // An empty cgroup is removed at once.
        let kept = keep.then_some(&from);
        if kept.is_none() {
            std::fs::remove_dir(from.path())?;
        }
        std::fs::write(&mark, "")?;
        let took = taking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        gave?;
        took?;
        Ok(())
    })?;
    seen_of(world, name).pop().context("nothing came")
}

#[test]
fn the_cgroup_at_the_connect_counts_also_when_the_process_is_gone() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &policies(&tables(&world)))?;
    let child = |name: &str| world.cgroup.child(name);
    let (watched, plain) = (child("watched")?, child("plain")?);
    // Whoever is in no policy gains nothing by a friend who is.
    let seen = passed(&world, &agent, "to-watched", plain, true, &watched)?;
    assert_eq!(seen, MASKED, "{}", agent.log()?);
    let plain = child("plain")?;
    let seen = passed(&world, &agent, "from-watched", watched, true, &plain)?;
    assert_eq!(seen, TEXT, "{}", agent.log()?);
    // Where a cgroup is gone, nobody can say any more which it was, also not by one of the same name.
    let watched = child("watched")?;
    let seen = passed(&world, &agent, "from-nowhere", watched, false, &plain)?;
    assert_eq!(seen, MASKED, "{}", agent.log()?);
    let log = agent.exchanges_after(2)?;
    assert_eq!(log[0]["command"], serde_json::Value::Null, "{log:?}");
    Ok(())
}
