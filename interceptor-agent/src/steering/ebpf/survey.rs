//! What is pinned and enforced, read from the pins alone: it needs no agent, and believes none.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, lpm_trie::LpmTrie};
use interceptor_common::{Counter, HandoffKey, NETNS_READY, NETNS_REFUSED, Original, Settings};
use serde::Serialize;

use super::pins;
use crate::{steering::SteeringError, sys};

/// Every program, the hook it is for, and that hook's number (`enum bpf_attach_type`, linux/bpf.h).
const HOOKS: [(&str, &str, u32); 11] = [
    ("steer4", "connect4", 10),
    ("steer6", "connect6", 11),
    ("datagram4", "sendmsg4", 14),
    ("datagram6", "sendmsg6", 15),
    ("peer4", "getpeername4", 29),
    ("peer6", "getpeername6", 30),
    ("guard4", "bind4", 8),
    ("guard6", "bind6", 9),
    ("arrive", "sock_create", 2),
    ("leave", "egress", 1),
    (super::OVERHEAR, "ingress", 0),
];

/// What the kernel holds for one pin folder.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The folder of this version's pins.
    pub pins: PathBuf,
    /// Pin folders of other versions, whose programs decide as well.
    pub other_versions: Vec<PathBuf>,
    /// Every program that there should be, and every other one that is pinned.
    pub links: Vec<Link>,
    /// Who holds the pins.
    pub agent: Holder,
    /// What the maps hold; `None` before an agent ever ran here.
    pub maps: Option<Maps>,
}

/// A program's link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Name of the program and of its pin.
    pub program: String,
    /// Where in the kernel it belongs; `unknown` for a program of another build.
    pub hook: &'static str,
    /// What became of it.
    #[serde(flatten)]
    pub state: LinkState,
}

/// Whether a link does what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkState {
    /// Attached to the cgroup that was asked for.
    Attached,
    /// Attached to another cgroup.
    Elsewhere {
        /// The id of that one.
        cgroup: u64,
    },
    /// The cgroup that it was attached to is gone, though one of that name may be there again.
    Detached,
    /// Attached to another hook than its name says.
    WrongHook,
    /// Not pinned.
    Missing,
}

/// Who holds the pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: no agent runs.
    Nobody,
    /// An agent; without its process id where that is not of this pid namespace.
    Agent(Option<u32>),
}

/// What the maps hold.
#[derive(Clone, Debug)]
pub struct Maps {
    /// What the programs decide by.
    pub settings: Settings,
    /// Since the last sign of life; `None`: there never was one.
    pub heartbeat: Option<Duration>,
    /// Network namespaces that were seen.
    pub namespaces: Namespaces,
    /// Steered connects that no agent has taken yet.
    pub handoffs: Fill,
    /// Addresses and ranges that are steered, where not all are.
    pub known: Option<usize>,
    /// What the programs counted since they were first loaded.
    pub counters: Vec<(Counter, u64)>,
}

/// Network namespaces, by what becomes of a connect in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// An agent listens.
    pub listening: usize,
    /// No agent can listen: connects are refused.
    pub refused: usize,
    /// All of them.
    #[serde(flatten)]
    pub fill: Fill,
}

/// How full a map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fill {
    /// Entries.
    pub entries: usize,
    /// Most entries.
    pub most: u32,
}

/// Looks at the pins below `pin_dir`. `cgroup` is the id of the cgroup that is to be steered, `None` if there is none.
///
/// # Errors
/// The pins can't be read, most often for lack of root. Pins that are not there are no error.
pub fn survey(pin_dir: &Path, cgroup: Option<u64>) -> Result<Survey, SteeringError> {
    let pins = pins::version(pin_dir);
    let maps = maps(&pins)?;
    let known_hosts = maps.as_ref().is_some_and(|maps| maps.known.is_some());
    let mut links: Vec<Link> = Vec::new();
    for (program, hook, number) in HOOKS {
        if program == super::OVERHEAR && !known_hosts {
            continue;
        }
        links.push(Link {
            program: program.to_owned(),
            hook,
            state: link_state(&pins::link(&pins, program), Some(number), cgroup)?,
        });
    }
    for program in names(&pins.join("links"))? {
        if !HOOKS.iter().any(|(known, ..)| *known == program) {
            let state = link_state(&pins::link(&pins, &program), None, cgroup)?;
            links.push(Link {
                program,
                hook: "unknown",
                state,
            });
        }
    }
    let others = names(pin_dir)?.into_iter().map(|name| pin_dir.join(name));
    Ok(Survey {
        other_versions: others
            .filter(|path| *path != pins && path.join("links").exists())
            .collect(),
        agent: holder(&pins)?,
        maps,
        links,
        pins,
    })
}

fn link_state(
    pin: &Path,
    hook: Option<u32>,
    cgroup: Option<u64>,
) -> Result<LinkState, SteeringError> {
    let link = match sys::open_pin(pin) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LinkState::Missing),
        Err(error) => return Err(SteeringError::at(pin)(error)),
    };
    let info = sys::cgroup_link(&link).map_err(SteeringError::at(pin))?;
    Ok(match info.cgroup {
        _ if hook.is_some_and(|hook| hook != info.attach_type) => LinkState::WrongHook,
        0 => LinkState::Detached,
        id if Some(id) == cgroup => LinkState::Attached,
        id => LinkState::Elsewhere { cgroup: id },
    })
}

/// An agent holds a lock on its pins for as long as it lives, whatever it does or doesn't do.
fn holder(pins: &Path) -> Result<Holder, SteeringError> {
    let folder = match File::open(pins) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(SteeringError::at(pins)(error)),
    };
    let metadata = folder.metadata().map_err(SteeringError::at(pins))?;
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    if let Some(pid) = lock_owner(&locks, metadata.dev(), metadata.ino())
        && Path::new(&format!("/proc/{pid}")).exists()
    {
        return Ok(Holder::Agent(Some(pid)));
    }
    // Locks of other pid namespaces are not listed.
    match folder.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Agent(None)),
        Err(TryLockError::Error(error)) => Err(SteeringError::at(pins)(error)),
    }
}

/// The process that holds a file's lock: `1: FLOCK  ADVISORY  WRITE 708 00:1d:3 0 EOF` (proc(5)).
fn lock_owner(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, "WRITE", pid, on, ..] if on == file => pid.parse().ok(),
            _ => None,
        }
    })
}

fn maps(pins: &Path) -> Result<Option<Maps>, SteeringError> {
    if !pins::map(pins, "SETTINGS").exists() {
        return Ok(None);
    }
    let settings: Array<_, Settings> = open(pins, "SETTINGS", Map::Array)?;
    let heartbeat: Array<_, u64> = open(pins, "HEARTBEAT", Map::Array)?;
    let namespaces: HashMap<_, u64, u8> = open(pins, "NETNS", Map::HashMap)?;
    let handoffs: HashMap<_, HandoffKey, Original> = open(pins, "HANDOFF", Map::HashMap)?;
    let counters: PerCpuArray<_, u64> = open(pins, "COUNTERS", Map::PerCpuArray)?;
    let known4: LpmTrie<_, [u8; 4], u8> = open(pins, "KNOWN4", Map::LpmTrie)?;
    let known6: LpmTrie<_, [u8; 16], u8> = open(pins, "KNOWN6", Map::LpmTrie)?;
    let settings: Settings = settings.get(&0, 0).map_err(SteeringError::load)?;
    let known = || known4.keys().count() + known6.keys().count();
    let states: Vec<u8> = namespaces
        .iter()
        .flatten()
        .map(|(_, state)| state)
        .collect();
    let are = |wanted: u8| states.iter().filter(|state| **state == wanted).count();
    let beat = heartbeat.get(&0, 0).map_err(SteeringError::load)?;
    let count = |counter: Counter| {
        let values = counters.get(&(counter as u32), 0);
        values.map(|values| (counter, values.iter().sum()))
    };
    Ok(Some(Maps {
        settings,
        heartbeat: (beat > 0)
            .then(|| Duration::from_nanos(sys::monotonic_now().saturating_sub(beat))),
        namespaces: Namespaces {
            listening: are(NETNS_READY),
            refused: are(NETNS_REFUSED),
            fill: fill(pins, "NETNS", states.len())?,
        },
        handoffs: fill(pins, "HANDOFF", handoffs.keys().count())?,
        known: (settings.known_hosts != 0).then(known),
        counters: Counter::ALL
            .into_iter()
            .map(count)
            .collect::<Result<_, _>>()
            .map_err(SteeringError::load)?,
    }))
}

fn open<M>(pins: &Path, name: &str, kind: fn(MapData) -> Map) -> Result<M, SteeringError>
where
    M: TryFrom<Map, Error: std::error::Error + Send + Sync + 'static>,
{
    let data = MapData::from_pin(pins::map(pins, name)).map_err(SteeringError::load)?;
    M::try_from(kind(data)).map_err(SteeringError::load)
}

fn fill(pins: &Path, name: &str, entries: usize) -> Result<Fill, SteeringError> {
    let data = MapData::from_pin(pins::map(pins, name)).map_err(SteeringError::load)?;
    let most = data.info().map_err(SteeringError::load)?.max_entries();
    Ok(Fill { entries, most })
}

/// Names in a folder, sorted; none where it isn't there.
fn names(folder: &Path) -> Result<Vec<String>, SteeringError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SteeringError::at(folder)(error)),
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_one_file_is_found_and_its_waiters_are_not() {
        let device = libc::makedev(0, 0x2f);
        let locks = "\
1: POSIX  ADVISORY  WRITE 11 00:2f:7 0 EOF
2: FLOCK  ADVISORY  WRITE 12 00:2e:7 0 EOF
3: FLOCK  ADVISORY  WRITE 13 00:2f:7 0 EOF
3: -> FLOCK  ADVISORY  WRITE 14 00:2f:8 0 EOF
4: FLOCK  ADVISORY  READ  15 00:2f:9 0 EOF
";
        assert_eq!(lock_owner(locks, device, 7), Some(13));
        assert_eq!(lock_owner(locks, device, 8), None);
        assert_eq!(lock_owner(locks, device, 9), None);
    }

    #[test]
    fn every_program_of_the_object_is_looked_for() {
        let has = |name: &str| {
            let mut symbol = vec![0];
            symbol.extend(name.bytes());
            symbol.push(0);
            super::super::OBJECT
                .windows(symbol.len())
                .any(|window| window == symbol)
        };
        for (program, ..) in HOOKS {
            assert!(has(program), "{program}");
        }
        assert!(!has("steer5"));
    }
}
