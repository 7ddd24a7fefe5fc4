//! What an agent left pinned in its world's BPF file system, looked at without it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData};
use interceptor_common::{HandoffKey, Original, SCHEMA, Settings};

use crate::{Backend, World};

/// Programs that an agent attaches, each pinned by a link.
pub const LINKS: usize = 10;

/// The folder that `steering.pin_dir` names.
pub fn dir(world: &World) -> PathBuf {
    world.bpffs().join("interceptor")
}

/// Original destinations that are filed and not taken yet; with nftables the kernel files none.
pub fn pending(world: &World) -> Result<usize> {
    if world.backend == Backend::Nftables {
        return Ok(0);
    }
    Ok(handoffs(world)?.len())
}

/// Under which 4-tuples they are filed.
pub fn handoffs(world: &World) -> Result<Vec<HandoffKey>> {
    let handoff: HashMap<_, HandoffKey, Original> = hash_map(world, "HANDOFF")?.try_into()?;
    Ok(handoff.keys().collect::<Result<_, _>>()?)
}

/// Cookies of the network namespaces that the agent listens in, or was told of.
pub fn namespaces(world: &World) -> Result<Vec<u64>> {
    let namespaces: HashMap<_, u64, u8> = hash_map(world, "NETNS")?.try_into()?;
    Ok(namespaces.keys().collect::<Result<_, _>>()?)
}

/// Has the kernel forget where sockets were going, as it does by itself after very many connects.
pub fn forget(world: &World) -> Result<()> {
    let mut originals = originals(world)?;
    let cookies: Vec<u64> = originals.keys().collect::<Result<_, _>>()?;
    ensure!(!cookies.is_empty(), "it knew of none");
    cookies
        .iter()
        .try_for_each(|cookie| Ok(originals.remove(cookie)?))
}

/// Whether an agent, this one or the next, still has to end connections from before.
pub fn owes(world: &World) -> Result<bool> {
    let path = map(world, "SETTINGS");
    let data = MapData::from_pin(&path).with_context(|| path.display().to_string())?;
    let settings: Array<_, Settings> = Map::Array(data).try_into()?;
    Ok(settings.get(&0, 0)?.owed != 0)
}

/// IPv4 addresses that are steered in the scope `known-hosts`, without ranges.
pub fn known(world: &World) -> Result<BTreeSet<Ipv4Addr>> {
    let known = known_map(world)?;
    let keys = known.keys().flatten().filter(|key| key.prefix_len() == 32);
    Ok(keys.map(|key| key.data().into()).collect())
}

/// Takes some of them out, as another agent on these pins may.
pub fn forget_known(world: &World, addresses: &[Ipv4Addr]) -> Result<()> {
    let mut known = known_map(world)?;
    let mut keys = addresses
        .iter()
        .map(|address| Key::new(32, address.octets()));
    keys.try_for_each(|key| Ok(known.remove(&key)?))
}

fn known_map(world: &World) -> Result<LpmTrie<MapData, [u8; 4], u8>> {
    let path = map(world, "KNOWN4");
    let data = MapData::from_pin(&path).with_context(|| path.display().to_string())?;
    Ok(Map::LpmTrie(data).try_into()?)
}

fn originals(world: &World) -> Result<HashMap<MapData, u64, Original>> {
    let path = map(world, "ORIG");
    let data = MapData::from_pin(&path).with_context(|| path.display().to_string())?;
    Ok(Map::LruHashMap(data).try_into()?)
}

/// Like [`pending`], once it is 0 or two seconds have passed.
pub fn pending_at_last(world: &World) -> Result<usize> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let pending = pending(world)?;
        if pending == 0 || Instant::now() > deadline {
            return Ok(pending);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn hash_map(world: &World, name: &str) -> Result<Map> {
    let path = map(world, name);
    let data = MapData::from_pin(&path).with_context(|| path.display().to_string())?;
    Ok(Map::HashMap(data))
}

fn map(world: &World, name: &str) -> PathBuf {
    dir(world)
        .join(Path::new(&format!("v{SCHEMA}")))
        .join("maps")
        .join(name)
}
