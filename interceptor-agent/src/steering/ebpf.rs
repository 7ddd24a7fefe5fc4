//! The eBPF backend: load, attach, pin, hand over, uninstall.
//!
//! Links and maps are pinned, so enforcement outlives the agent: with nobody listening, a steered connect is
//! refused by the kernel. A new agent reuses the maps and swaps the programs in place.

mod attach;
mod events;
mod known;
mod needs;
mod pins;
mod programs;
pub mod survey;
mod widens;

use std::{
    collections::HashSet,
    fs, io,
    net::IpAddr,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aya::{
    Ebpf as Object, EbpfLoader, include_bytes_aligned,
    maps::{
        Array, HashMap, Map, MapData, MapError, PerCpuArray, SkStorage, lpm_trie, lpm_trie::LpmTrie,
    },
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use interceptor_common::{
    Address, Counter, HandoffKey, MAX_PORTS, NETNS_READY, NETNS_REFUSED, Original, Settings, Way,
};

pub use events::{Events, Refused, Ring};
pub use pins::uninstall;

use known::Known;

use super::{Exempt, Scope, Source, Steering, SteeringError, cgroup, netns::Netns};
use crate::{
    config::{Cidr, Reach},
    original_dst::{ClientAddr, LocalAddr, Lost, OrigDstAddr, OriginalDst, Process, Steered},
    sys,
};

/// Bytes of a ring buffer that nothing is written to: it is not to take memory.
const UNUSED_RING: u32 = 64 * 1024;

/// For how many nanoseconds connects to where there was no route are told so at once.
const UNREACHABLE_FOR: u64 = 30_000_000_000;

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/interceptor-ebpf"));

/// The program that only the scope `known-hosts` has use for.
const OVERHEAR: &str = "overhear";

const MAPS: [&str; 13] = [
    "SETTINGS",
    "HEARTBEAT",
    "NETNS",
    "NEVER4",
    "NEVER6",
    "KNOWN4",
    "KNOWN6",
    "ENDS",
    "BEGINNINGS",
    "EXEMPT",
    "ORIG",
    "HANDOFF",
    "COUNTERS",
];

/// Loaded programs and their maps.
pub struct Ebpf {
    pins: PathBuf,
    programs: Mutex<Object>,
    heartbeat: Mutex<Array<MapData, u64>>,
    netns: Mutex<HashMap<MapData, u64, u8>>,
    exempt: Mutex<SkStorage<MapData, u8>>,
    handoff: Mutex<HashMap<MapData, HandoffKey, Original>>,
    settings: Mutex<Array<MapData, Settings>>,
    never4: Mutex<LpmTrie<MapData, [u8; 4], u8>>,
    never6: Mutex<LpmTrie<MapData, [u8; 16], u8>>,
    /// Not pinned: a successor finds out for itself.
    unreachable: Mutex<HashMap<MapData, Way, u64>>,
    /// None where everything is steered.
    known: Option<Known>,
    counters: PerCpuArray<MapData, u64>,
    scope: Mutex<Option<Scope>>,
    only_one: Mutex<Option<fs::File>>,
}

impl Ebpf {
    /// Loads the programs. Nothing is steered before [`Ebpf::attach`], unless an earlier agent's programs are attached
    /// still: those share the maps.
    ///
    /// `lock` is a predecessor's hold on the pins, if there is one.
    pub fn load(
        pin_dir: &Path,
        lock: Option<fs::File>,
        reach: Reach,
    ) -> Result<(Self, Events), SteeringError> {
        needs::check()?;
        let pins = pins::prepare(pin_dir)?;
        let only_one = pins::lock(&pins, lock)?;
        let set_retval =
            is_helper_supported(ProgramType::CgroupSockAddr, BpfHelper::BPF_FUNC_set_retval)
                .map_err(SteeringError::load)?;
        let (set_retval, known_hosts) = (u8::from(set_retval), reach == Reach::KnownHosts);
        let known_hosts_global = u8::from(known_hosts);
        let mut loader = EbpfLoader::new();
        loader.override_global("HAS_SET_RETVAL", &set_retval, true);
        loader.override_global("KNOWN_HOSTS", &known_hosts_global, true);
        if !known_hosts {
            loader.map_max_entries("ANSWERS", UNUSED_RING);
        }
        for name in MAPS {
            loader.map_pin_path(name, pins::map(&pins, name));
        }
        let mut object = loader.load(OBJECT).map_err(SteeringError::load)?;
        let events = Events {
            refused: Ring::new(take(&mut object, "EVENTS")?),
            arrivals: Ring::new(take(&mut object, "ARRIVALS")?),
            misses: Ring::new(take(&mut object, "MISSES")?),
            answers: Ring::new(take(&mut object, "ANSWERS")?),
        };
        let steering = Self {
            heartbeat: Mutex::new(take(&mut object, "HEARTBEAT")?),
            netns: Mutex::new(take(&mut object, "NETNS")?),
            exempt: Mutex::new(take(&mut object, "EXEMPT")?),
            handoff: Mutex::new(take(&mut object, "HANDOFF")?),
            settings: Mutex::new(take(&mut object, "SETTINGS")?),
            never4: Mutex::new(take(&mut object, "NEVER4")?),
            never6: Mutex::new(take(&mut object, "NEVER6")?),
            unreachable: Mutex::new(take(&mut object, "UNREACHABLE")?),
            known: known_hosts.then(|| Known::open(&mut object)).transpose()?,
            counters: take(&mut object, "COUNTERS")?,
            programs: Mutex::new(object),
            pins,
            scope: Mutex::default(),
            only_one: Mutex::new(Some(only_one)),
        };
        Ok((steering, events))
    }

    /// What keeps other agents off these pins for as long as anybody has it open.
    ///
    /// # Errors
    /// A successor has it, or no descriptor is free.
    pub fn lock(&self) -> io::Result<fs::File> {
        // Whoever settles what is owed has done so, or finds the maps shared.
        drop(lock(&self.settings));
        let held = lock(&self.only_one);
        held.as_ref()
            .map_or(Err(io::ErrorKind::NotFound.into()), fs::File::try_clone)
    }

    /// Leaves the pins to a successor alone: should that one end, another agent need not wait for this one's last exchange.
    pub fn let_go(&self) {
        lock(&self.only_one).take();
    }

    /// From here on this process is the one that holds the pins, and no predecessor.
    ///
    /// # Errors
    /// The kernel can't change the lock.
    pub fn take_over(&self) -> io::Result<()> {
        pins::own(&self.lock()?)
    }

    /// Whether the kernel takes the programs, by letting it look at all of them. Nothing stays.
    ///
    /// # Errors
    /// What is missing.
    pub fn probe() -> Result<(), SteeringError> {
        cgroup::mount()?;
        object()?
            .programs_mut()
            .try_for_each(|(_, program)| programs::load(program))
    }

    /// What was configured last.
    pub fn scope(&self) -> Option<Scope> {
        lock(&self.scope).clone()
    }

    /// Declares that the agent listens in a network namespace.
    pub fn ready(&self, netns: &Netns) -> Result<(), SteeringError> {
        lock(&self.netns)
            .insert(netns.cookie(), NETNS_READY, 0)
            .map_err(SteeringError::load)
    }

    /// Declares that the agent can't listen there: connects are refused.
    pub fn refuse(&self, netns: u64) -> Result<(), SteeringError> {
        lock(&self.netns)
            .insert(netns, NETNS_REFUSED, 0)
            .map_err(SteeringError::load)
    }

    /// Declares that the agent does not listen there, or no more: its next socket tells of it, and connects wait.
    pub fn forget(&self, netns: u64) {
        // It is not in the map, which is as good.
        let _ = lock(&self.netns).remove(&netns);
    }

    /// Forgets what an earlier agent listened in and this one does not: how many those are.
    pub fn forget_others(&self, own: impl Fn(u64) -> bool) -> usize {
        let mut others: Vec<u64> = lock(&self.netns).keys().flatten().collect();
        others.retain(|cookie| !own(*cookie));
        others.iter().for_each(|cookie| self.forget(*cookie));
        others.len()
    }

    /// One sign of life.
    pub fn beat(&self) -> Result<(), SteeringError> {
        lock(&self.heartbeat)
            .set(0, sys::monotonic_now(), 0)
            .map_err(SteeringError::load)
    }

    /// How many addresses and ranges are steered, where not all are.
    pub fn known(&self) -> Option<usize> {
        self.known.as_ref().map(Known::sweep)
    }

    /// Whether an address is steered, as far as the scope decides.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.known
            .as_ref()
            .is_none_or(|known| known.contains(address))
    }

    /// What the programs counted since they were first loaded.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters
            .get(&(counter as u32), 0)
            .map_or(0, |values| values.iter().sum())
    }

    /// Drops the hand-offs that were there the last time already: of connects that came to nothing. `seen` holds the times
    /// of those that were. Returns how many are left.
    ///
    /// In between, whoever calls has to have accepted what waited.
    pub fn sweep(&self, seen: &mut HashSet<u64>) -> usize {
        let mut handoff = lock(&self.handoff);
        let (stale, fresh): (Vec<_>, Vec<_>) = handoff
            .iter()
            .flatten()
            .partition(|(_, original)| seen.contains(&original.time));
        for (key, _) in stale {
            // Taken meanwhile.
            let _ = handoff.remove(&key);
        }
        *seen = fresh.iter().map(|(_, original)| original.time).collect();
        fresh.len()
    }
}

impl Steering for Ebpf {
    fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<Exempt> {
        lock(&self.exempt)
            .insert(&socket, 1, 0)
            .map_err(io::Error::other)?;
        Ok(Exempt::for_good())
    }

    fn configure(&self, scope: &Scope) -> Result<bool, SteeringError> {
        let widens = self.widens(scope)?;
        if widens {
            // Before the maps say so: nobody could tell from them any more.
            self.owe()?;
        }
        let settings = Settings {
            stale_after: u64::try_from(scope.stale_after.as_nanos()).unwrap_or(u64::MAX),
            tls_ports: ports(&scope.tls_ports)?,
            plain_ports: ports(&scope.plain_ports)?,
            listen_port: scope.listen_port,
            known_hosts: u16::from(self.known.is_some()),
            never: u16::from(!scope.never.is_empty()),
            owed: 0,
        };
        if let (Some(known), Some(hosts)) = (&self.known, &scope.known_hosts) {
            known.configure(hosts)?;
        }
        let wanted = &scope.never;
        let (mut never4, mut never6) = (lock(&self.never4), lock(&self.never6));
        for cidr in wanted {
            match cidr.addr {
                IpAddr::V4(v4) => {
                    never4.insert(&lpm_trie::Key::new(cidr.prefix.into(), v4.octets()), 1, 0)
                }
                IpAddr::V6(v6) => {
                    never6.insert(&lpm_trie::Key::new(cidr.prefix.into(), v6.octets()), 1, 0)
                }
            }
            .map_err(SteeringError::load)?;
        }
        forget_others(&mut never4, |addr: [u8; 4], prefix| {
            has(wanted, addr.into(), prefix)
        })?;
        forget_others(&mut never6, |addr: [u8; 16], prefix| {
            has(wanted, addr.into(), prefix)
        })?;
        *lock(&self.scope) = Some(scope.clone());
        self.replace(settings)?;
        Ok(widens)
    }

    fn unreachable(&self, netns: &Netns, address: IpAddr) {
        let way = Way {
            netns: netns.cookie(),
            to: address.into(),
        };
        let until = sys::monotonic_now().saturating_add(UNREACHABLE_FOR);
        if let Err(error) = lock(&self.unreachable).insert(way, until, 0) {
            tracing::debug!(%error, "the kernel can't be told that there is no route");
        }
    }

    fn learn(&self, address: IpAddr, source: Source) {
        if let Some(known) = &self.known
            && let Err(error) = known.learn(address, source)
        {
            tracing::error!(%address, %error, "the kernel can't be told of an LLM host's address");
        }
    }
}

impl OriginalDst for Ebpf {
    fn take(
        &self,
        netns: &Netns,
        _: BorrowedFd<'_>,
        client: ClientAddr,
        local: LocalAddr,
    ) -> Result<Steered, Lost> {
        let key = HandoffKey {
            netns: netns.cookie(),
            source: client.0.ip().into(),
            destination: local.0.ip().into(),
            source_port: client.0.port(),
            destination_port: local.0.port(),
            reserved: 0,
        };
        let mut handoff = lock(&self.handoff);
        let original = handoff.get(&key, 0).map_err(|_| Lost)?;
        handoff.remove(&key).map_err(|_| Lost)?;
        Ok(original.into())
    }
}

impl From<Original> for Steered {
    fn from(original: Original) -> Self {
        let comm = original.comm.map(u64::to_ne_bytes);
        let name = comm.as_flattened().split(|byte| *byte == 0).next();
        let name = name.unwrap_or_default();
        Self {
            original: OrigDstAddr((IpAddr::from(original.address), original.port).into()),
            process: Process {
                pid: original.tgid,
                uid: original.uid,
                comm: String::from_utf8_lossy(name).into_owned(),
                cgroup: original.cgroup,
                time: original.time,
            },
        }
    }
}

/// The object on its own, its maps shared with nobody.
pub(super) fn object() -> Result<Object, SteeringError> {
    EbpfLoader::new()
        .map_max_entries("ANSWERS", UNUSED_RING)
        .load(OBJECT)
        .map_err(SteeringError::load)
}

fn has(wanted: &[Cidr], addr: IpAddr, prefix: u32) -> bool {
    wanted
        .iter()
        .any(|cidr| cidr.addr == addr && u32::from(cidr.prefix) == prefix)
}

/// Removes what an earlier agent's config had and this one's doesn't.
fn forget_others<K: aya::Pod>(
    trie: &mut LpmTrie<MapData, K, u8>,
    wanted: impl Fn(K, u32) -> bool,
) -> Result<(), SteeringError> {
    let keys: Vec<_> = trie
        .keys()
        .collect::<Result<_, _>>()
        .map_err(SteeringError::load)?;
    for key in keys
        .into_iter()
        .filter(|key| !wanted(key.data(), key.prefix_len()))
    {
        gone(trie.remove(&key)).map_err(SteeringError::load)?;
    }
    Ok(())
}

/// What another agent with these maps has removed is as good as removed.
fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        removed => removed,
    }
}

fn ports(ports: &[u16]) -> Result<[u16; MAX_PORTS], SteeringError> {
    let mut array = [0; MAX_PORTS];
    let slots = array.get_mut(..ports.len()).ok_or_else(|| {
        SteeringError::load(format!("{} ports given, {MAX_PORTS} at most", ports.len()))
    })?;
    slots.copy_from_slice(ports);
    Ok(array)
}

/// A map of the object, as the type that user space uses it by.
pub(super) fn take<M>(object: &mut Object, name: &str) -> Result<M, SteeringError>
where
    M: TryFrom<Map, Error: std::error::Error + Send + Sync + 'static>,
{
    let map = object
        .take_map(name)
        .ok_or_else(|| SteeringError::load(format!("map {name} is missing from the object")))?;
    map.try_into().map_err(SteeringError::load)
}

/// A panic while a map handle was held leaves the map itself whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: () = assert!(size_of::<Address>() == 16);
