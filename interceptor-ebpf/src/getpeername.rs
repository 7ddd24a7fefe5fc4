//! `getpeername`: a steered process sees the address it asked for.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_socket_cookie, programs::SockAddrContext,
};
use interceptor_common::Original;

use crate::{
    maps::{original_of, settings},
    refuse::ALLOW,
};

pub fn v4(ctx: &SockAddrContext) -> i32 {
    if let Some(original) = steered(ctx) {
        // SAFETY: the kernel gives a valid context.
        unsafe {
            (*ctx.sock_addr).user_ip4 = original.address.0[3];
            (*ctx.sock_addr).user_port = u32::from(original.port.to_be());
        }
    }
    ALLOW
}

pub fn v6(ctx: &SockAddrContext) -> i32 {
    if let Some(original) = steered(ctx) {
        let [a, b, c, d] = original.address.0;
        // SAFETY: the kernel gives a valid context; written word by word as the verifier demands.
        unsafe {
            (&raw mut (*ctx.sock_addr).user_ip6[0]).write_volatile(a);
            (&raw mut (*ctx.sock_addr).user_ip6[1]).write_volatile(b);
            (&raw mut (*ctx.sock_addr).user_ip6[2]).write_volatile(c);
            (&raw mut (*ctx.sock_addr).user_ip6[3]).write_volatile(d);
            (*ctx.sock_addr).user_port = u32::from(original.port.to_be());
        }
    }
    ALLOW
}

/// The original of a socket whose peer is the agent; a socket steered once may have connected elsewhere since.
#[inline(always)]
fn steered(ctx: &SockAddrContext) -> Option<Original> {
    let settings = settings()?;
    // SAFETY: the kernel gives a valid context.
    let port = unsafe { (*ctx.sock_addr).user_port };
    if u16::from_be(port as u16) != settings.listen_port {
        return None;
    }
    // SAFETY: the helper takes any sock_addr context (Linux 4.19).
    original_of(unsafe { bpf_get_socket_cookie(ctx.as_ptr()) })
}
