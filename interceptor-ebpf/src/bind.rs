//! `bind`: nobody but the agent takes the agent's port, before it starts or after it died.

use aya_ebpf::programs::SockAddrContext;
use interceptor_common::{Address, Reason};

use crate::{
    connect::SOCK_STREAM,
    maps::settings,
    refuse::{ALLOW, original, refuse},
    scope::exempt,
};

pub fn guard(ctx: &SockAddrContext) -> i32 {
    let Some(settings) = settings() else {
        return ALLOW;
    };
    // SAFETY: the kernel gives a valid context.
    let (kind, port) = unsafe { ((*ctx.sock_addr).type_, (*ctx.sock_addr).user_port) };
    let port = u16::from_be(port as u16);
    if kind != SOCK_STREAM || port == 0 || port != settings.listen_port || exempt(ctx) {
        return ALLOW;
    }
    refuse(original(ctx, Address::default(), port), Reason::Bind)
}
