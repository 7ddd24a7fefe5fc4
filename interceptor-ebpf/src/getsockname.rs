//! `getsockname`: tells the agent which network namespace a socket of its own is in, where the kernel has no
//! `SO_NETNS_COOKIE`. Attached to the agent's cgroup while it asks, never to the one that is steered.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_netns_cookie, programs::SockAddrContext,
};

use crate::{maps::COOKIE, refuse::ALLOW};

pub fn tell(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the storage lives as long as the socket of this very context; only the agent's have any.
    if let Some(cookie) = unsafe { COOKIE.get_ptr_mut(ctx).as_mut() } {
        // SAFETY: the helper takes any sock_addr context (Linux 5.7).
        *cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    }
    ALLOW
}
