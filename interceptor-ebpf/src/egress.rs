//! Packets on their way out. The first one of a steered connect files its original destination under the 4-tuple that the
//! agent will see, and waits until the agent listens in its network namespace: TCP sends a lost one again after a second
//! (RFC 6298 §2.1). And the backstop: what no other hook saw is stopped.

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock,
    helpers::generated::{
        bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_sk_fullsock, bpf_sk_storage_get,
    },
    programs::SkBuffContext,
};
use interceptor_common::{Address, Counter, HandoffKey, Original, Reason, Settings};

use crate::{
    connect::{SOCK_DGRAM, SOCK_STREAM, is_stale},
    direct,
    maps::{EXEMPT, HANDOFF, count, original_of, settings},
    netns,
    refuse::report,
    scope::{contains, known_hosts_only, never, steers},
};

pub const PASS: i32 = 1;
pub const DROP: i32 = 0;

const SOCK_RAW: u32 = 3;
const SYN_SENT: u32 = 2;
pub const AF_INET6: u32 = 10;

pub fn backstop(ctx: &SkBuffContext) -> i32 {
    // SAFETY: the kernel gives a valid context.
    let common = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
    if common.is_null() {
        return PASS;
    }
    // SAFETY: not null; the helper says where the socket is a whole one.
    let sk = unsafe { bpf_sk_fullsock(common) };
    if sk.is_null() {
        return PASS;
    }
    // Nearly every packet is one of a stream that has begun: it leaves here.
    // SAFETY: a whole socket, read field by field.
    let kind = unsafe { (*sk).type_ };
    // SAFETY: as above.
    if kind == SOCK_STREAM && unsafe { (*sk).state } != SYN_SENT {
        return match known_hosts_only() {
            true => direct::later(ctx, sk),
            false => PASS,
        };
    }
    let Some(settings) = settings() else {
        return PASS;
    };
    match kind {
        SOCK_STREAM => first(ctx, settings, sk),
        SOCK_DGRAM | SOCK_RAW => single(ctx, settings, sk, kind),
        _ => PASS,
    }
}

/// The packet with which a TCP connection begins.
#[inline(always)]
fn first(ctx: &SkBuffContext, settings: &Settings, sk: *mut bpf_sock) -> i32 {
    let (address, port) = destination(sk);
    // A socket that was steered once may connect elsewhere.
    if port == settings.listen_port
        && address.leads_to_agent()
        && let Some(original) = steered(ctx)
    {
        direct::settle(sk);
        return hand_off(settings, sk, &original);
    }
    if let Some(verdict) = routed(ctx, settings) {
        return verdict;
    }
    if !steers(settings, port) || never(settings, address) || is_exempt(sk) {
        direct::settle(sk);
        return PASS;
    }
    match known_hosts_only() {
        true => direct::first(ctx, settings, sk, address, port),
        false => stop(address, port),
    }
}

/// Files the original destination before the agent can see the connection. What is never accepted, the agent sweeps away.
#[inline(always)]
fn hand_off(settings: &Settings, sk: *mut bpf_sock, original: &Original) -> i32 {
    // With the agent gone nobody will ever listen: loopback refuses it at once.
    let is_ready = original.ready != 0 || netns::is_ready(original.netns);
    // SAFETY: no arguments.
    if !is_ready && !is_stale(settings, unsafe { bpf_ktime_get_ns() }) {
        count(Counter::Held);
        return DROP;
    }
    // By the address that was asked for: a v4-mapped one goes over IPv4 whatever the socket's family.
    let (source, destination) = if original.address.as_v4().is_some() {
        // SAFETY: a whole socket.
        let v4 = unsafe { (&raw const (*sk).src_ip4).read_volatile() };
        (Address::v4(v4), Address::LOOPBACK_V4)
    } else {
        // SAFETY: as above, each field read alone.
        let v6 = unsafe {
            [
                (&raw const (*sk).src_ip6[0]).read_volatile(),
                (&raw const (*sk).src_ip6[1]).read_volatile(),
                (&raw const (*sk).src_ip6[2]).read_volatile(),
                (&raw const (*sk).src_ip6[3]).read_volatile(),
            ]
        };
        (Address(v6), Address::LOOPBACK_V6)
    };
    let key = HandoffKey {
        netns: original.netns,
        source,
        destination,
        // SAFETY: a whole socket; this port is in host order, unlike the other.
        source_port: unsafe { (&raw const (*sk).src_port).read_volatile() } as u16,
        destination_port: settings.listen_port,
        reserved: 0,
    };
    if HANDOFF.insert(key, original, 0).is_err() {
        count(Counter::HandoffLost);
        return DROP;
    }
    PASS
}

/// A packet that is none of a stream: a datagram, or what a process wrote itself, headers and all. What it says counts, and
/// not where its socket is connected: a datagram that was corked goes to where that was when it was begun (udp(7)). It is
/// whole here, since what is too long is cut behind this hook.
#[inline(always)]
fn single(ctx: &SkBuffContext, settings: &Settings, sk: *mut bpf_sock, kind: u32) -> i32 {
    let Some(packet) = Packet::read(ctx) else {
        return DROP;
    };
    let (is_meant, port, reason) = match packet.port {
        Port::None => (false, 0, Reason::Missed),
        Port::Hidden => (true, 0, Reason::Missed),
        // Of a socket that is connected. Of others, `sendmsg` refused it.
        Port::Is(port) if kind == SOCK_DGRAM => {
            (contains(&settings.tls_ports, port), port, Reason::Quic)
        }
        Port::Is(port) => (steers(settings, port), port, Reason::Missed),
    };
    let is_spared = !packet.is_routed && never(settings, packet.destination);
    if !is_meant || is_spared || is_exempt(sk) {
        return PASS;
    }
    stop_as(reason, packet.destination, port)
}

/// A packet of a stream with an IPv6 routing header, which anybody may ask for (RFC 8754; IPV6_RTHDR in ipv6(7)): it goes
/// where that says, and not where its socket does.
#[inline(always)]
fn routed(ctx: &SkBuffContext, settings: &Settings) -> Option<i32> {
    const ROUTING: u8 = 43;
    if version(ctx) != 6 || ctx.load::<u8>(6) != Ok(ROUTING) {
        return None;
    }
    Some(match ctx.load::<[u32; 4]>(24).map(Address) {
        Ok(to) if never(settings, to) => PASS,
        Ok(to) => stop(to, 0),
        Err(_) => DROP,
    })
}

/// What the headers of a packet say of where it goes.
struct Packet {
    destination: Address,
    /// Whether an IPv4 option may lead it elsewhere from there (RFC 791 §3.1: source routes, which anybody may ask for).
    is_routed: bool,
    port: Port,
}

enum Port {
    /// Of a protocol that has none, or none that matters.
    None,
    /// It stands behind what is not looked at.
    Hidden,
    Is(u16),
}

impl Packet {
    /// By the packet's version: an IPv6 socket sends IPv4 to a mapped address.
    #[inline(always)]
    fn read(ctx: &SkBuffContext) -> Option<Self> {
        match version(ctx) {
            4 => Self::v4(ctx),
            6 => Self::v6(ctx),
            _ => None,
        }
    }

    #[inline(always)]
    fn v4(ctx: &SkBuffContext) -> Option<Self> {
        let length = usize::from(ctx.load::<u8>(0).ok()? & 15) * 4;
        let protocol: u8 = ctx.load(9).ok()?;
        // The ports stand in the first fragment only, and a raw socket may send a later one, which may belong to it.
        let is_later = u16::from_be(ctx.load(6).ok()?) & 0x1fff != 0;
        Some(Self {
            destination: Address::v4(ctx.load(16).ok()?),
            is_routed: length > 20,
            port: match Port::of(ctx, protocol, length) {
                Port::Is(_) if is_later => Port::Hidden,
                port => port,
            },
        })
    }

    #[inline(always)]
    fn v6(ctx: &SkBuffContext) -> Option<Self> {
        let next: u8 = ctx.load(6).ok()?;
        let destination = Address(ctx.load(24).ok()?);
        Some(Self {
            destination,
            is_routed: false,
            port: match next {
                // As the kernel's own reports of what it listens to (RFC 3810 §5). No provider is there, and no header leads on.
                0 | 60 if destination.is_multicast_v6() => Port::None,
                // Hop-by-hop, routing, fragment and destination options.
                0 | 43 | 44 | 60 => Port::Hidden,
                _ => Port::of(ctx, next, 40),
            },
        })
    }
}

impl Port {
    /// TCP, UDP and UDP-Lite have it at the same place; what ends before that is none of them.
    #[inline(always)]
    fn of(ctx: &SkBuffContext, protocol: u8, at: usize) -> Self {
        match (protocol, ctx.load::<u16>(at + 2)) {
            (6 | 17 | 136, Ok(port)) => Self::Is(u16::from_be(port)),
            _ => Self::None,
        }
    }
}

#[inline(always)]
fn version(ctx: &SkBuffContext) -> u8 {
    ctx.load::<u8>(0).map_or(0, |first| first >> 4)
}

/// What no other hook saw.
#[inline(always)]
pub fn stop(address: Address, port: u16) -> i32 {
    stop_as(Reason::Missed, address, port)
}

#[inline(always)]
fn stop_as(reason: Reason, address: Address, port: u16) -> i32 {
    // Packets are sent in nobody's name: who it was is not known here.
    let original = Original {
        // SAFETY: no arguments.
        time: unsafe { bpf_ktime_get_ns() },
        address,
        port,
        uid: u32::MAX,
        ..Original::default()
    };
    report(original, reason);
    DROP
}

/// Where a socket is connected to.
#[inline(always)]
fn destination(sk: *mut bpf_sock) -> (Address, u16) {
    // All of them, whatever the family: a field chosen by it would be an address computed, which the verifier refuses.
    // SAFETY: a whole socket, each field read alone.
    let (port, v4, v6) = unsafe {
        (
            (&raw const (*sk).dst_port).read_volatile(),
            (&raw const (*sk).dst_ip4).read_volatile(),
            [
                (&raw const (*sk).dst_ip6[0]).read_volatile(),
                (&raw const (*sk).dst_ip6[1]).read_volatile(),
                (&raw const (*sk).dst_ip6[2]).read_volatile(),
                (&raw const (*sk).dst_ip6[3]).read_volatile(),
            ],
        )
    };
    // SAFETY: as above.
    let is_v6 = unsafe { (*sk).family } == AF_INET6;
    let address = if is_v6 { Address(v6) } else { Address::v4(v4) };
    (address, u16::from_be(port))
}

#[inline(always)]
fn steered(ctx: &SkBuffContext) -> Option<Original> {
    // SAFETY: the helper takes any socket buffer's context.
    original_of(unsafe { bpf_get_socket_cookie(ctx.as_ptr()) })
}

#[inline(always)]
fn is_exempt(sk: *mut bpf_sock) -> bool {
    let map = core::ptr::from_ref(&EXEMPT).cast_mut().cast();
    // SAFETY: a whole socket; only whether there is something is asked.
    !unsafe { bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), 0) }.is_null()
}
