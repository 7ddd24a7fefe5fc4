//! The cgroup programs that steer connections into the agent: entry points only, one module a hook.
#![no_std]
#![no_main]
#![allow(
    unsafe_code,
    reason = "eBPF programs read kernel contexts through raw pointers"
)]

mod bind;
mod connect;
mod direct;
mod egress;
mod getpeername;
mod getsockname;
mod ingress;
mod maps;
mod netns;
mod refuse;
mod scope;
mod sendmsg;

use aya_ebpf::{
    macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr},
    programs::{SkBuffContext, SockAddrContext, SockContext},
};

#[cgroup_sock_addr(connect4)]
fn steer4(ctx: SockAddrContext) -> i32 {
    connect::v4(&ctx)
}

#[cgroup_sock_addr(connect6)]
fn steer6(ctx: SockAddrContext) -> i32 {
    connect::v6(&ctx)
}

#[cgroup_sock_addr(sendmsg4)]
fn datagram4(ctx: SockAddrContext) -> i32 {
    sendmsg::v4(&ctx)
}

#[cgroup_sock_addr(sendmsg6)]
fn datagram6(ctx: SockAddrContext) -> i32 {
    sendmsg::v6(&ctx)
}

#[cgroup_sock_addr(getpeername4)]
fn peer4(ctx: SockAddrContext) -> i32 {
    getpeername::v4(&ctx)
}

#[cgroup_sock_addr(getpeername6)]
fn peer6(ctx: SockAddrContext) -> i32 {
    getpeername::v6(&ctx)
}

#[cgroup_sock_addr(bind4)]
fn guard4(ctx: SockAddrContext) -> i32 {
    bind::guard(&ctx)
}

#[cgroup_sock_addr(bind6)]
fn guard6(ctx: SockAddrContext) -> i32 {
    bind::guard(&ctx)
}

#[cgroup_sock_addr(getsockname4)]
fn own_netns4(ctx: SockAddrContext) -> i32 {
    getsockname::tell(&ctx)
}

#[cgroup_sock_addr(getsockname6)]
fn own_netns6(ctx: SockAddrContext) -> i32 {
    getsockname::tell(&ctx)
}

#[cgroup_sock(sock_create)]
fn arrive(ctx: SockContext) -> i32 {
    netns::created(&ctx)
}

#[cgroup_skb(egress)]
fn leave(ctx: SkBuffContext) -> i32 {
    egress::backstop(&ctx)
}

#[cgroup_skb(ingress)]
fn overhear(ctx: SkBuffContext) -> i32 {
    ingress::answer(&ctx)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The licence under which the kernel gives helpers to these programs.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
