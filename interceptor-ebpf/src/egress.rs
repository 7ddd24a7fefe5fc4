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
        SOCK_DGRAM => datagram(ctx, settings, sk),
        SOCK_RAW => raw(ctx, settings, sk),
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
    if let Some(verdict) = routed(ctx, settings, sk) {
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

/// Of a socket that is connected: QUIC. Of others, `sendmsg` refused it.
#[inline(always)]
fn datagram(ctx: &SkBuffContext, settings: &Settings, sk: *mut bpf_sock) -> i32 {
    if let Some(verdict) = routed(ctx, settings, sk) {
        return verdict;
    }
    let (address, port) = destination(sk);
    if !contains(&settings.tls_ports, port) || never(settings, address) || is_exempt(sk) {
        return PASS;
    }
    stop_as(Reason::Quic, address, port)
}

/// A packet with an IPv6 routing header, which anybody may ask for (RFC 8754; IPV6_RTHDR in ipv6(7)): it goes where that
/// says, and not where its socket does.
#[inline(always)]
fn routed(ctx: &SkBuffContext, settings: &Settings, sk: *mut bpf_sock) -> Option<i32> {
    const ROUTING: u8 = 43;
    // SAFETY: a whole socket.
    if unsafe { (*sk).family } != AF_INET6 || ctx.load::<u8>(6) != Ok(ROUTING) {
        return None;
    }
    Some(match ctx.load::<[u32; 4]>(24).map(Address) {
        Ok(to) if never(settings, to) => PASS,
        Ok(to) => stop(to, 0),
        Err(_) => DROP,
    })
}

/// A packet that a process wrote itself, headers and all.
#[inline(always)]
fn raw(ctx: &SkBuffContext, settings: &Settings, sk: *mut bpf_sock) -> i32 {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    // SAFETY: a whole socket.
    let v6 = unsafe { (*sk).family } == AF_INET6;
    let (protocol, address, ports) = if v6 {
        let (Ok(next), Ok(to)) = (ctx.load::<u8>(6), ctx.load::<[u32; 4]>(24)) else {
            return DROP;
        };
        (next, Address(to), 40)
    } else {
        let (Ok(first), Ok(protocol), Ok(to)) =
            (ctx.load::<u8>(0), ctx.load::<u8>(9), ctx.load::<u32>(16))
        else {
            return DROP;
        };
        (protocol, Address::v4(to), usize::from(first & 15) * 4)
    };
    // Hop-by-hop, routing, fragment and destination options: what stands behind them is not looked for.
    if v6 && matches!(protocol, 0 | 43 | 44 | 60) {
        return if never(settings, address) {
            PASS
        } else {
            stop(address, 0)
        };
    }
    if protocol != TCP && protocol != UDP {
        return PASS;
    }
    // The ports stand in the first fragment only; a later one may belong to it.
    let later = !v6
        && ctx
            .load::<u16>(6)
            .is_ok_and(|field| u16::from_be(field) & 0x1fff != 0);
    let port = ctx.load::<u16>(ports + 2).map_or(0, u16::from_be);
    if (!later && !steers(settings, port)) || never(settings, address) || is_exempt(sk) {
        return PASS;
    }
    stop(address, port)
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
