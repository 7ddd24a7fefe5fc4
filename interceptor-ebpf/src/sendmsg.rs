//! `sendmsg` on an unconnected UDP socket: QUIC is refused so that clients fall back to TCP.

use aya_ebpf::programs::SockAddrContext;
use interceptor_common::{Address, Reason};

use crate::{
    connect::address6,
    maps::settings,
    refuse::{ALLOW, original, refuse},
    scope::{contains, exempt, never},
};

pub fn v4(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the kernel gives a valid context.
    decide(ctx, Address::v4(unsafe { (*ctx.sock_addr).user_ip4 }))
}

pub fn v6(ctx: &SockAddrContext) -> i32 {
    decide(ctx, address6(ctx))
}

#[inline(always)]
fn decide(ctx: &SockAddrContext, address: Address) -> i32 {
    let Some(settings) = settings() else {
        return ALLOW;
    };
    // SAFETY: the kernel gives a valid context.
    let port = u16::from_be(unsafe { (*ctx.sock_addr).user_port } as u16);
    if !contains(&settings.tls_ports, port) || never(settings, address) || exempt(ctx) {
        return ALLOW;
    }
    refuse(original(ctx, address, port), Reason::Quic)
}
