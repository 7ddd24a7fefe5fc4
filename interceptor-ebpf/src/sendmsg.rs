//! `sendmsg` on an unconnected UDP socket: QUIC without a connect.

use aya_ebpf::programs::SockAddrContext;
use interceptor_common::Address;

use crate::{
    connect::{address6, datagram},
    maps::settings,
    refuse::ALLOW,
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
    let port = unsafe { (*ctx.sock_addr).user_port };
    datagram(ctx, settings, address, u16::from_be(port as u16))
}
