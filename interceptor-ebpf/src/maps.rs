//! The maps, and the few things every hook does with them.

use aya_ebpf::{
    Global,
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SkStorage},
    macros::btf_map,
};
use interceptor_common::{
    Answer, Arrival, Counter, Direct, Event, HandoffKey, Miss, Original, Settings, Way,
    name::{HEAD, TAIL},
};

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

/// Written by the agent before the programs are attached.
#[btf_map]
pub static SETTINGS: Array<Settings, 1> = Array::new();

/// `CLOCK_MONOTONIC` in nanoseconds at the agent's last sign of life.
#[btf_map]
pub static HEARTBEAT: Array<u64, 1> = Array::new();

/// Network namespaces by cookie: those the agent was told of, and those it listens in.
#[btf_map]
pub static NETNS: HashMap<u64, u8, 65536, NO_PREALLOC> = HashMap::new();

/// Destinations that are never steered.
#[btf_map]
pub static NEVER4: LpmTrie<[u8; 4], u8, 4096> = LpmTrie::new();

/// Destinations that are never steered.
#[btf_map]
pub static NEVER6: LpmTrie<[u8; 16], u8, 4096> = LpmTrie::new();

/// Addresses that are steered in the scope `known-hosts`, and their ranges.
#[btf_map]
pub static KNOWN4: LpmTrie<[u8; 4], u8, 65536> = LpmTrie::new();

/// Addresses that are steered in the scope `known-hosts`, and their ranges.
#[btf_map]
pub static KNOWN6: LpmTrie<[u8; 16], u8, 65536> = LpmTrie::new();

/// What names of LLM hosts end with, reversed, with what else is asked of them (`interceptor_common::name`).
#[btf_map]
pub static ENDS: LpmTrie<[u8; TAIL], u8, 4096> = LpmTrie::new();

/// What names of LLM hosts begin with, where that is asked.
#[btf_map]
pub static BEGINNINGS: LpmTrie<[u8; HEAD], u8, 4096> = LpmTrie::new();

/// Streams of the scope `known-hosts` that go direct, for as long as the socket lives.
#[btf_map]
pub static DIRECT: SkStorage<Direct> = SkStorage::new();

/// Cookies of the network namespaces of the agent's own sockets, where the agent asks for one.
#[btf_map]
pub static COOKIE: SkStorage<u64> = SkStorage::new();

/// Sockets of the agent itself, marked by file descriptor.
#[btf_map]
pub static EXEMPT: SkStorage<u8> = SkStorage::new();

/// Where each steered socket was going, by its cookie. In a socket's own storage it would be kept until its end, but making
/// and freeing that costs a connect 1.2 µs (measured on 6.18), and this 0.3. What is older than so many steered connects
/// is forgotten: its socket is told the agent's address by `getpeername`.
#[btf_map]
pub static ORIG: LruHashMap<u64, Original, 65536> = LruHashMap::new();

/// Destinations without a route, and until when that holds (`CLOCK_MONOTONIC` in nanoseconds), as the agent found out.
#[btf_map]
pub static UNREACHABLE: LruHashMap<Way, u64, 4096> = LruHashMap::new();

/// From the 4-tuple that the agent sees to the original destination; taken and deleted by the agent.
#[btf_map]
pub static HANDOFF: HashMap<HandoffKey, Original, 65536, NO_PREALLOC> = HashMap::new();

/// Indexed by [`Counter`].
#[btf_map]
pub static COUNTERS: PerCpuArray<u64, 16> = PerCpuArray::new();

/// Refused calls, for the agent's log. A full buffer loses events, never refusals.
#[btf_map]
pub static EVENTS: RingBuf<Event, 65536> = RingBuf::new();

/// Network namespaces that the agent has to be told of. A full buffer loses nothing: the next socket tells again.
#[btf_map]
pub static ARRIVALS: RingBuf<Arrival, 65536> = RingBuf::new();

/// Direct streams that were caught. A full buffer loses the word of one, which stays stopped all the same.
#[btf_map]
pub static MISSES: RingBuf<Miss, 65536> = RingBuf::new();

/// DNS answers. A full buffer loses some, and a stream to an address in them is caught by its first bytes.
#[btf_map]
pub static ANSWERS: RingBuf<Answer, 524_288> = RingBuf::new();

/// Whether the scope is `known-hosts`: the agent overrides this at load, and the verifier removes what is not needed.
#[unsafe(no_mangle)]
pub static KNOWN_HOSTS: Global<u8> = Global::new(0);

/// Whether `bpf_set_retval` exists (Linux 5.18, b44123b4a3dc): the agent finds out and overrides this at load.
#[unsafe(no_mangle)]
pub static HAS_SET_RETVAL: Global<u8> = Global::new(0);

#[inline(always)]
pub fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own and stays for the program's life.
        unsafe { *value += 1 };
    }
}

/// Where a steered socket was going.
#[inline(always)]
pub fn original_of(cookie: u64) -> Option<Original> {
    // SAFETY: an element of the map, which may be given to another socket at any time.
    let original = unsafe { *ORIG.get_ptr(cookie)? };
    // It was not, if it is still there after it was read: it leaves its bucket before it is written to.
    ORIG.get_ptr(cookie).map(|_| original)
}
