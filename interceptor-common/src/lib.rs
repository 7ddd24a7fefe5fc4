//! Map keys and values shared by the eBPF programs and the agent.
//!
//! Everything here crosses the kernel boundary as plain bytes, so every type is `repr(C)`, has no padding and
//! accepts any bit pattern. A change of layout raises [`SCHEMA`], which is part of the pin path.
#![no_std]

mod address;
mod counter;
pub mod hello;
mod known;
pub mod name;
mod refusal;

pub use address::Address;
pub use counter::Counter;
pub use known::{Answer, DIRECT_PASSES, DIRECT_STOPPED, DIRECT_WAITS, Direct, MAX_ANSWER, Miss};
pub use refusal::Reason;

/// Version of the layouts below; maps and links are pinned under `v<SCHEMA>`.
pub const SCHEMA: u32 = 3;

/// How many ports of a kind can be in scope.
pub const MAX_PORTS: usize = 8;

/// What the programs need to know, written by the agent once before they are attached.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Nanoseconds without a heartbeat after which connects are refused.
    pub stale_after: u64,
    /// TCP ports that are steered, and UDP ports that are refused as QUIC; unused ones are 0.
    pub tls_ports: [u16; MAX_PORTS],
    /// TCP ports that are steered to look for plain HTTP; unused ones are 0.
    pub plain_ports: [u16; MAX_PORTS],
    /// The loopback port that the agent listens on.
    pub listen_port: u16,
    /// 1 where only known addresses are steered, for whoever looks; the programs have it from a read-only global.
    pub known_hosts: u16,
    /// 1 where there are ranges that are never steered, beside this machine and its links.
    pub never: u16,
    /// Not 0 while connections may be open that began before they were to be steered. It is for agents alone: the next one
    /// has to end them if this one does not come to it.
    pub owed: u16,
}

/// Where a steered socket was going, and who made it connect.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Original {
    /// Cookie of the network namespace the socket lives in.
    pub netns: u64,
    /// Cgroup of the process that called `connect`.
    pub cgroup: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds at the call.
    pub time: u64,
    /// The address given to `connect`.
    pub address: Address,
    /// Process (thread group) that called `connect`, as the initial pid namespace numbers it.
    pub tgid: u32,
    /// User of that process; `u32::MAX` where a packet left, which is in nobody's name.
    pub uid: u32,
    /// Name of the calling thread, NUL-padded; as words, since the programs would zero bytes one by one.
    pub comm: [u64; 2],
    /// Port given to `connect`, in host order.
    pub port: u16,
    /// 1 where the agent listened in the network namespace by then, 0 where its first packet has to ask again.
    pub ready: u16,
    /// Keeps the layout free of padding.
    pub reserved: [u16; 2],
}

/// The 4-tuple by which the agent asks for the [`Original`] of an accepted connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandoffKey {
    /// Cookie of the network namespace that both ends are in.
    pub netns: u64,
    /// The client's address after `connect` chose it.
    pub source: Address,
    /// The loopback address that the socket was steered to.
    pub destination: Address,
    /// The client's port, in host order.
    pub source_port: u16,
    /// The agent's port, in host order.
    pub destination_port: u16,
    /// Keeps the layout free of padding.
    pub reserved: u32,
}

/// A destination as it is seen from somewhere.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Cookie of the network namespace.
    pub netns: u64,
    /// The destination.
    pub to: Address,
}

/// What a program tells the agent: a call that was refused, and whose it was.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The call.
    pub original: Original,
    /// A [`Reason`] as its number.
    pub reason: u32,
    /// Keeps the layout free of padding.
    pub reserved: u32,
}

/// In the map of network namespaces: the agent was told of it. The first packet of a connect waits, a second at a time.
pub const NETNS_SEEN: u8 = 0;

/// In the map of network namespaces: the agent listens in it.
pub const NETNS_READY: u8 = 1;

/// In the map of network namespaces: the agent can't listen in it. Connects are refused.
pub const NETNS_REFUSED: u8 = 2;

/// What a program tells the agent: a network namespace that it has not seen before, and a thread in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Cookie of the network namespace.
    pub netns: u64,
    /// Process (thread group), as the initial pid namespace numbers it.
    pub tgid: u32,
    /// Thread: each can be in a network namespace of its own.
    pub tid: u32,
}

#[cfg(feature = "user")]
mod pod {
    #![expect(
        unsafe_code,
        reason = "aya moves these types between user and kernel space as bytes"
    )]

    use super::{Answer, Arrival, Event, HandoffKey, Miss, Original, Settings, Way};

    // SAFETY: repr(C), Copy, no padding (asserted below), every bit pattern valid.
    unsafe impl aya::Pod for Settings {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Original {}
    // SAFETY: as above.
    unsafe impl aya::Pod for HandoffKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Event {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Arrival {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Answer {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Miss {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Way {}
}

const _: () = {
    assert!(size_of::<Settings>() == 8 + 4 * MAX_PORTS + 8);
    assert!(size_of::<Original>() == 24 + 16 + 8 + 16 + 8);
    assert!(size_of::<HandoffKey>() == 8 + 32 + 8);
    assert!(size_of::<Way>() == 8 + 16);
    assert!(size_of::<Arrival>() == 8 + 8);
    assert!(size_of::<Event>() == size_of::<Original>() + 8);
    assert!(size_of::<Direct>() == size_of::<Original>() + 8);
    assert!(size_of::<Miss>() == size_of::<Original>() + 16 + 8 + 8);
    assert!(size_of::<Answer>() == 8 + MAX_ANSWER);
};
