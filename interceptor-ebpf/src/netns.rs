//! Network namespaces: in each one the agent has to listen before anything there can be steered to it. The first socket
//! that is made in one tells the agent of it, some time before that socket connects; a connect that comes too early all the
//! same waits (see `egress`).

use aya_ebpf::{
    EbpfContext as _,
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_netns_cookie},
    programs::SockContext,
};
use interceptor_common::{Arrival, NETNS_READY, NETNS_SEEN};

use crate::{
    maps::{ARRIVALS, NETNS},
    refuse::ALLOW,
};

pub fn created(ctx: &SockContext) -> i32 {
    // SAFETY: the helper takes a cgroup_sock context (Linux 5.7).
    announce(unsafe { bpf_get_netns_cookie(ctx.as_ptr()) });
    ALLOW
}

/// Whether the agent listens in there.
#[inline(always)]
pub fn is_ready(netns: u64) -> bool {
    state(netns) == Some(NETNS_READY)
}

#[inline(always)]
fn state(netns: u64) -> Option<u8> {
    // SAFETY: one byte, read at once.
    unsafe { NETNS.get(netns) }.copied()
}

/// Tells the agent of a namespace, once: until the agent forgets it. Returns what the agent said of it.
#[inline(always)]
pub fn announce(netns: u64) -> u8 {
    if let Some(said) = state(netns) {
        return said;
    }
    if NETNS
        .insert(netns, NETNS_SEEN, u64::from(BPF_NOEXIST))
        .is_ok()
    {
        tell(netns);
    }
    NETNS_SEEN
}

#[inline(always)]
fn tell(netns: u64) {
    let id = bpf_get_current_pid_tgid();
    match ARRIVALS.reserve(0) {
        Some(mut slot) => {
            slot.write(Arrival {
                netns,
                tgid: (id >> 32) as u32,
                tid: id as u32,
            });
            slot.submit(0);
        }
        // The next socket tries again.
        None => drop(NETNS.remove(netns)),
    }
}
