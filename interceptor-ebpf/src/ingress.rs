//! DNS answers on their way in, for the scope `known-hosts`: the agent gets a copy of each, and learns which addresses
//! serve LLM hosts. Whoever forges one makes an address steered that need not be, and nothing else.

use aya_ebpf::{helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use interceptor_common::{Answer, MAX_ANSWER};

use crate::maps::ANSWERS;

/// Nothing is ever held back here.
const PASS: i32 = 1;

const UDP: u8 = 17;
const UDP_HEADER: u32 = 8;
const DNS_HEADER: u32 = 12;

pub fn answer(ctx: &SkBuffContext) -> i32 {
    if let Some(at) = message(ctx) {
        copy(ctx, at);
    }
    PASS
}

/// Where the DNS message stands in a datagram from port 53 that answers something.
#[inline(always)]
fn message(ctx: &SkBuffContext) -> Option<u32> {
    let ip: [u8; 10] = ctx.load(0).ok()?;
    // An IPv6 extension header in front of UDP is nothing that resolvers send.
    let at = match (ip[0] >> 4, ip[9], ip[6]) {
        (4, UDP, _) => u32::from(ip[0] & 15) * 4,
        (6, _, UDP) => 40,
        _ => return None,
    };
    let source: [u8; 2] = ctx.load(at as usize).ok()?;
    if u16::from_be_bytes(source) != 53 {
        return None;
    }
    let at = at + UDP_HEADER;
    let header: [u8; DNS_HEADER as usize] = ctx.load(at as usize).ok()?;
    let (is_answer, answers) = (header[2] & 0x80 != 0, [header[6], header[7]]);
    (is_answer && answers != [0, 0]).then_some(at)
}

#[inline(always)]
fn copy(ctx: &SkBuffContext, at: u32) {
    // There is a header at least; the verifier wants to see that there is something.
    let last = ctx.len().wrapping_sub(at + 1) as usize;
    let length = 1 + if last < MAX_ANSWER {
        last
    } else {
        MAX_ANSWER - 1
    };
    let Some(mut slot) = ANSWERS.reserve(0) else {
        return;
    };
    let answer: *mut Answer = slot.as_mut_ptr();
    // SAFETY: the slot holds an Answer, of which no more than `length` bytes are read.
    let loaded = unsafe {
        (&raw mut (*answer).length).write(length as u32);
        (&raw mut (*answer).reserved).write(0);
        let bytes = (&raw mut (*answer).bytes).cast();
        bpf_skb_load_bytes(ctx.skb.skb.cast(), at, bytes, length as u32)
    };
    match loaded {
        0 => slot.submit(0),
        _ => slot.discard(0),
    }
}
