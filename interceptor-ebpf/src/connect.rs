//! `connect`: TCP in scope goes to the agent, everything else passes untouched.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_socket_cookie, programs::SockAddrContext,
};
use interceptor_common::{
    Address, Counter, NETNS_READY, NETNS_REFUSED, Original, Reason, Settings, Way,
};

use crate::{
    direct,
    maps::{HEARTBEAT, ORIG, UNREACHABLE, count, settings},
    netns,
    refuse::{ALLOW, original, refuse},
    scope::{exempt, known, known_hosts_only, never, steers},
};

pub const SOCK_STREAM: u32 = 1;
pub const SOCK_DGRAM: u32 = 2;

pub fn v4(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the kernel gives a valid context; each field is read alone.
    let (ip, port) = unsafe { ((*ctx.sock_addr).user_ip4, (*ctx.sock_addr).user_port) };
    match decide(ctx, Address::v4(ip), u16::from_be(port as u16)) {
        Decision::Steer(listen_port) => {
            // SAFETY: as above, written.
            unsafe {
                (*ctx.sock_addr).user_ip4 = Address::LOOPBACK_V4.0[3];
                (*ctx.sock_addr).user_port = u32::from(listen_port.to_be());
            }
            ALLOW
        }
        Decision::Return(verdict) => verdict,
    }
}

pub fn v6(ctx: &SockAddrContext) -> i32 {
    let address = address6(ctx);
    // SAFETY: the kernel gives a valid context.
    let port = unsafe { (*ctx.sock_addr).user_port };
    match decide(ctx, address, u16::from_be(port as u16)) {
        Decision::Steer(listen_port) => {
            // A v4-mapped destination never reaches connect4: an IPv6 socket is steered to ::ffff:127.0.0.1 for it.
            let [a, b, c, d] = if address.as_v4().is_some() {
                Address::LOOPBACK_V4.0
            } else {
                Address::LOOPBACK_V6.0
            };
            // SAFETY: as above, written word by word as the verifier demands.
            unsafe {
                (&raw mut (*ctx.sock_addr).user_ip6[0]).write_volatile(a);
                (&raw mut (*ctx.sock_addr).user_ip6[1]).write_volatile(b);
                (&raw mut (*ctx.sock_addr).user_ip6[2]).write_volatile(c);
                (&raw mut (*ctx.sock_addr).user_ip6[3]).write_volatile(d);
                (*ctx.sock_addr).user_port = u32::from(listen_port.to_be());
            }
            ALLOW
        }
        Decision::Return(verdict) => verdict,
    }
}

/// Reads `user_ip6` a word at a time: the verifier refuses the array as a whole.
#[inline(always)]
pub fn address6(ctx: &SockAddrContext) -> Address {
    // SAFETY: the kernel gives a valid context.
    unsafe {
        Address([
            (&raw const (*ctx.sock_addr).user_ip6[0]).read_volatile(),
            (&raw const (*ctx.sock_addr).user_ip6[1]).read_volatile(),
            (&raw const (*ctx.sock_addr).user_ip6[2]).read_volatile(),
            (&raw const (*ctx.sock_addr).user_ip6[3]).read_volatile(),
        ])
    }
}

enum Decision {
    Steer(u16),
    Return(i32),
}

#[inline(always)]
fn decide(ctx: &SockAddrContext, address: Address, port: u16) -> Decision {
    let Some(settings) = settings() else {
        return Decision::Return(ALLOW);
    };
    // By type, not protocol: MPTCP is a stream too, and a protocol of its own.
    // SAFETY: the kernel gives a valid context.
    match unsafe { (*ctx.sock_addr).type_ } {
        SOCK_STREAM => stream(ctx, settings, address, port),
        // Of QUIC too: it sends nothing, and getaddrinfo learns by it which family there is a route for (RFC 6724 §6, rule 1).
        // What is sent then, `egress` stops.
        _ => Decision::Return(ALLOW),
    }
}

#[inline(always)]
fn stream(ctx: &SockAddrContext, settings: &Settings, address: Address, port: u16) -> Decision {
    if !steers(settings, port) {
        return Decision::Return(straight(ctx, settings, address, port));
    }
    if never(settings, address) {
        return Decision::Return(ALLOW);
    }
    if exempt(ctx) {
        count(Counter::Exempt);
        return Decision::Return(ALLOW);
    }
    if known_hosts_only() && !known(address) {
        direct::begin(ctx, settings, address, port);
        return Decision::Return(ALLOW);
    }
    let mut original = original(ctx, address, port);
    if is_stale(settings, original.time) {
        return Decision::Return(refuse(original, Reason::Stale));
    }
    if is_unreachable(&original) {
        return Decision::Return(refuse(original, Reason::Unreachable));
    }
    // A socket that was made before the programs were attached, or elsewhere, was not told of.
    match netns::announce(original.netns) {
        NETNS_REFUSED => return Decision::Return(refuse(original, Reason::Netns)),
        state => original.ready = u16::from(state == NETNS_READY),
    }
    // SAFETY: the helper takes any sock_addr context (Linux 4.19).
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    if ORIG.insert(cookie, original, 0).is_err() {
        return Decision::Return(refuse(original, Reason::Netns));
    }
    count(Counter::Steered);
    Decision::Steer(settings.listen_port)
}

/// Whether there is no route, so that the client can go on to another address at once.
#[inline(always)]
fn is_unreachable(original: &Original) -> bool {
    let way = Way {
        netns: original.netns,
        to: original.address,
    };
    // SAFETY: one word, read at once.
    let until = unsafe { UNREACHABLE.get(way) };
    until.is_some_and(|until| original.time < *until)
}

/// The agent's own port is reached by being steered to it: whoever connected straight to it from a port that a connect
/// before had, and that came to nothing, would be taken for that one.
#[inline(always)]
fn straight(ctx: &SockAddrContext, settings: &Settings, address: Address, port: u16) -> i32 {
    if port == settings.listen_port && address.leads_to_agent() && !exempt(ctx) {
        return refuse(original(ctx, address, port), Reason::Straight);
    }
    ALLOW
}

/// Whether the agent has given no sign of life for too long.
#[inline(always)]
pub fn is_stale(settings: &Settings, now: u64) -> bool {
    let beat = HEARTBEAT.get(0).copied().unwrap_or(0);
    now.saturating_sub(beat) > settings.stale_after
}
