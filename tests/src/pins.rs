//! What an agent left pinned in its world's BPF file system, looked at without it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};
use interceptor_common::{HandoffKey, Original, SCHEMA};

use crate::{Backend, World};

/// The folder that `steering.pin_dir` names.
pub fn dir(world: &World) -> PathBuf {
    world.bpffs().join("interceptor")
}

/// Original destinations that are filed and not taken yet; with nftables the kernel files none.
pub fn pending(world: &World) -> Result<usize> {
    if world.backend == Backend::Nftables {
        return Ok(0);
    }
    let path = map(world, "HANDOFF");
    let data = MapData::from_pin(&path).with_context(|| path.display().to_string())?;
    let handoff: HashMap<_, HandoffKey, Original> = Map::HashMap(data).try_into()?;
    Ok(handoff.keys().count())
}

/// Like [`pending`], once it is 0 or two seconds have passed: the kernel closes a socket a little after its process has
/// ended.
pub fn pending_at_last(world: &World) -> Result<usize> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
    loop {
        let pending = pending(world)?;
        if pending == 0 || std::time::Instant::now() > deadline {
            return Ok(pending);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn map(world: &World, name: &str) -> PathBuf {
    dir(world)
        .join(Path::new(&format!("v{SCHEMA}")))
        .join("maps")
        .join(name)
}
