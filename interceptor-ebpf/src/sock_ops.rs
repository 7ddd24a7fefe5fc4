//! The hand-off: once `connect` has chosen the 4-tuple and before the SYN leaves, the original destination is
//! filed under it; a connect that came to nothing takes its entry away again.

use aya_ebpf::{
    bindings::{BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_SOCK_OPS_TCP_CONNECT_CB},
    helpers::generated::bpf_sk_storage_get,
    programs::SockOpsContext,
};
use interceptor_common::{Address, Counter, HandoffKey, Original};

use crate::maps::{HANDOFF, ORIG, count, settings};

const TCP_CLOSE: u32 = 7;

pub fn hand_off(ctx: &SockOpsContext) -> u32 {
    // The kernel calls for nine other moments of every connection: they leave here.
    match ctx.op() {
        BPF_SOCK_OPS_TCP_CONNECT_CB => file(ctx),
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == TCP_CLOSE => withdraw(ctx),
        _ => {}
    }
    1
}

#[inline(always)]
fn file(ctx: &SockOpsContext) {
    let Some((key, original)) = steered(ctx) else {
        return;
    };
    if HANDOFF.insert(key, original, 0).is_err() {
        count(Counter::HandoffLost);
        return;
    }
    // A miss leaves an entry that the agent sweeps away.
    let _ = ctx.set_cb_flags((ctx.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG) as i32);
}

#[inline(always)]
fn withdraw(ctx: &SockOpsContext) {
    if let Some((key, _)) = steered(ctx) {
        // Gone already where the agent took it.
        let _ = HANDOFF.remove(key);
    }
}

/// Key and original of a socket that goes to the agent.
#[inline(always)]
fn steered(ctx: &SockOpsContext) -> Option<(HandoffKey, &'static Original)> {
    let destination_port = u32::from_be(ctx.remote_port()) as u16;
    if destination_port != settings()?.listen_port {
        return None;
    }
    // SAFETY: the kernel gives a valid context.
    let sk = unsafe { (*ctx.ops).__bindgen_anon_2.sk };
    if sk.is_null() {
        return None;
    }
    let map = core::ptr::from_ref(&ORIG).cast_mut().cast();
    // SAFETY: sk is a full socket here; the storage lives as long as it.
    let original: &'static Original = unsafe {
        bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), 0)
            .cast::<Original>()
            .as_ref()?
    };
    let v4 = original.address.as_v4().is_some();
    let key = HandoffKey {
        netns: original.netns,
        source: if v4 {
            Address::v4(ctx.local_ip4())
        } else {
            Address(ctx.local_ip6())
        },
        destination: if v4 {
            Address::LOOPBACK_V4
        } else {
            Address::LOOPBACK_V6
        },
        source_port: ctx.local_port() as u16,
        destination_port,
        reserved: 0,
    };
    Some((key, original))
}
