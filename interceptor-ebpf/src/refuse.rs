//! Refusing a call: count it, tell the agent, and give the caller an errno it understands.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_cgroup_id, bpf_ktime_get_ns,
        generated::{bpf_get_current_comm, bpf_get_netns_cookie, bpf_set_retval},
    },
    programs::SockAddrContext,
};
use interceptor_common::{Address, Event, Original, Reason};

use crate::maps::{EVENTS, HAS_SET_RETVAL, count};

pub const ALLOW: i32 = 1;
const REFUSE: i32 = 0;
const ENETUNREACH: i32 = 101;
const ECONNREFUSED: i32 = 111;

/// Who calls, and where to.
#[inline(always)]
pub fn original(ctx: &SockAddrContext, address: Address, port: u16) -> Original {
    let mut original = Original {
        // SAFETY: the helper takes any sock_addr context (Linux 5.7).
        netns: unsafe { bpf_get_netns_cookie(ctx.as_ptr()) },
        // SAFETY: no arguments.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        // SAFETY: no arguments.
        time: unsafe { bpf_ktime_get_ns() },
        address,
        tgid: ctx.tgid(),
        uid: ctx.uid(),
        comm: [0; 2],
        port,
        ready: 0,
        reserved: [0; 2],
    };
    // In its place: moved there, it would go byte by byte.
    // SAFETY: writes 16 bytes, zeros if it fails.
    unsafe { bpf_get_current_comm((&raw mut original.comm).cast(), 16) };
    original
}

/// Refuses the call. With `bpf_set_retval` the caller sees ECONNREFUSED, which clients know, or ENETUNREACH; without it EPERM.
#[inline(always)]
pub fn refuse(original: Original, reason: Reason) -> i32 {
    report(original, reason);
    if HAS_SET_RETVAL.load() != 0 {
        let error = match reason {
            Reason::Unreachable => ENETUNREACH,
            _ => ECONNREFUSED,
        };
        // SAFETY: the agent sets the flag only where the kernel has the helper for this program type.
        unsafe { bpf_set_retval(-error) };
    }
    REFUSE
}

/// Counts it, and tells the agent.
#[inline(always)]
pub fn report(original: Original, reason: Reason) {
    count(reason.counter());
    if let Some(mut slot) = EVENTS.reserve(0) {
        slot.write(Event {
            original,
            reason: reason as u32,
            reserved: 0,
        });
        slot.submit(0);
    }
}
