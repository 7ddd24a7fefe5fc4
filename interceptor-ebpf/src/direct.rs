//! Streams of the scope `known-hosts` that go direct, since nothing is known of their address: each one's first bytes are
//! looked at on their way out. A ClientHello for an LLM host, or one that can't be read in one packet, stays here, and the
//! agent is told.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_SK_STORAGE_GET_F_CREATE, bpf_sock},
    btf_maps::lpm_trie::Key,
    helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_sk_storage_get},
    programs::{SkBuffContext, SockAddrContext},
};
use interceptor_common::{
    Address, DIRECT_PASSES, DIRECT_STOPPED, DIRECT_WAITS, Direct, Miss, Original, Reason, Settings,
    hello::{self, Hello, Packet},
    name,
};

use crate::{
    egress::{AF_INET6, DROP, PASS, stop},
    maps::{BEGINNINGS, DIRECT, ENDS, MISSES, count},
    refuse::original,
    scope::{contains, known, known_hosts_only},
};

/// At a connect to an address that is not known. Without TLS there is nothing to look at.
#[inline(always)]
pub fn begin(ctx: &SockAddrContext, settings: &Settings, address: Address, port: u16) {
    if !contains(&settings.tls_ports, port) {
        return;
    }
    let mut direct = Direct {
        original: original(ctx, address, port),
        ..Direct::default()
    };
    // SAFETY: stores at the socket of this very context.
    let stored = unsafe { DIRECT.get_or_insert_ptr_mut(ctx, Some(&mut direct)) };
    // Where there is no room, the SYN is not let out either.
    if !stored.is_null() {
        // SAFETY: not null, and the storage lives as long as the socket.
        unsafe { *stored = direct };
    }
}

/// At the SYN of a stream to a steered port that no hook has steered.
#[inline(always)]
pub fn first(
    ctx: &SkBuffContext,
    settings: &Settings,
    sk: *mut bpf_sock,
    address: Address,
    port: u16,
) -> i32 {
    let here =
        |direct: &&mut Direct| direct.original.address == address && direct.original.port == port;
    // An address may have become known after the connect: that stream is looked at all the same.
    let direct = match of(sk, 0).filter(here) {
        Some(direct) => direct,
        None if known(address) => return stop(address, port),
        None if !contains(&settings.tls_ports, port) => {
            settle(sk);
            return PASS;
        }
        None => match of(sk, BPF_SK_STORAGE_GET_F_CREATE.into()) {
            Some(direct) => {
                direct.original = Original {
                    address,
                    port,
                    uid: u32::MAX,
                    ..Original::default()
                };
                direct
            }
            None => return DROP,
        },
    };
    let Some(segment) = Segment::read(ctx) else {
        return DROP;
    };
    if direct.begin != segment.sequence {
        direct.begin = segment.sequence;
        direct.state = DIRECT_WAITS;
    }
    judge(ctx, sk, direct, &segment)
}

/// At every other packet of a stream.
#[inline(always)]
pub fn later(ctx: &SkBuffContext, sk: *mut bpf_sock) -> i32 {
    match of(sk, 0) {
        Some(direct) if direct.state != DIRECT_PASSES => match Segment::read(ctx) {
            Some(segment) => judge(ctx, sk, direct, &segment),
            None => DROP,
        },
        _ => PASS,
    }
}

/// A socket that begins a stream which is not looked at may have had one that was.
#[inline(always)]
pub fn settle(sk: *mut bpf_sock) {
    if known_hosts_only()
        && let Some(direct) = of(sk, 0)
    {
        direct.state = DIRECT_PASSES;
    }
}

#[inline(always)]
fn of(sk: *mut bpf_sock, flags: u64) -> Option<&'static mut Direct> {
    let map = core::ptr::from_ref(&DIRECT).cast_mut().cast();
    // SAFETY: a whole socket; the storage lives as long as it, and packets of one socket leave one after the other.
    unsafe {
        bpf_sk_storage_get(map, sk.cast(), core::ptr::null_mut(), flags)
            .cast::<Direct>()
            .as_mut()
    }
}

#[inline(always)]
fn judge(ctx: &SkBuffContext, sk: *mut bpf_sock, direct: &mut Direct, segment: &Segment) -> i32 {
    if segment.data >= ctx.len() || direct.state == DIRECT_PASSES {
        return PASS;
    }
    if direct.state == DIRECT_STOPPED {
        return DROP;
    }
    let named = match hello::read(&Skb(ctx), segment.data) {
        // Urgent data is none of the stream to whoever reads it: what the first byte is can't be said.
        _ if segment.urgent => false,
        Hello::Unreadable => false,
        Hello::Name(start, end) if is_llm_host(ctx, start, end) => true,
        Hello::Name(..) | Hello::NoName | Hello::NotTls => {
            direct.state = DIRECT_PASSES;
            return PASS;
        }
    };
    direct.state = DIRECT_STOPPED;
    tell(ctx, sk, direct, named);
    DROP
}

/// Whether it could be one: `interceptor_common::name` says how much of the name is looked at.
#[inline(always)]
fn is_llm_host(ctx: &SkBuffContext, start: u32, end: u32) -> bool {
    // "host." is the same name as "host".
    let end = match Skb(ctx).bytes(end - 1) {
        Some([b'.']) => end - 1,
        _ => end,
    };
    // Headers and the beginning of a ClientHello are longer than what is read in front of a short name.
    let Some(window) = Skb(ctx).bytes(end.wrapping_sub(name::TAIL as u32)) else {
        return true;
    };
    let reversed = name::reversed(window, end - start);
    match ENDS.get(&Key::new(8 * name::TAIL as u32, reversed)) {
        None => false,
        Some(&name::ENDS_SO_AND_BEGINS) => match Skb(ctx).bytes(start) {
            Some(head) => {
                let key = Key::new(8 * name::HEAD as u32, name::beginning(head));
                BEGINNINGS.get(&key).is_some()
            }
            None => true,
        },
        Some(_) => true,
    }
}

#[inline(always)]
fn tell(ctx: &SkBuffContext, sk: *mut bpf_sock, direct: &Direct, named: bool) {
    count(Reason::Caught.counter());
    let Some(mut slot) = MISSES.reserve(0) else {
        return;
    };
    // SAFETY: a whole socket, each field read alone.
    let (v6, device, source_port, v4, v6_words) = unsafe {
        (
            (*sk).family == AF_INET6,
            (&raw const (*sk).bound_dev_if).read_volatile(),
            (&raw const (*sk).src_port).read_volatile(),
            (&raw const (*sk).src_ip4).read_volatile(),
            [
                (&raw const (*sk).src_ip6[0]).read_volatile(),
                (&raw const (*sk).src_ip6[1]).read_volatile(),
                (&raw const (*sk).src_ip6[2]).read_volatile(),
                (&raw const (*sk).src_ip6[3]).read_volatile(),
            ],
        )
    };
    let mut original = direct.original;
    if original.time == 0 {
        // SAFETY: no arguments.
        original.time = unsafe { bpf_ktime_get_ns() };
    }
    slot.write(Miss {
        original,
        source: if v6 {
            Address(v6_words)
        } else {
            Address::v4(v4)
        },
        // SAFETY: the helper takes any socket buffer's context.
        cookie: unsafe { bpf_get_socket_cookie(ctx.as_ptr()) },
        device,
        source_port: source_port as u16,
        named: u16::from(named),
    });
    slot.submit(0);
}

/// What is needed of a TCP segment's headers.
struct Segment {
    sequence: u32,
    urgent: bool,
    /// Where its data begins.
    data: u32,
}

impl Segment {
    /// None of a packet that has something between its IP and its TCP header.
    #[inline(always)]
    fn read(ctx: &SkBuffContext) -> Option<Self> {
        const TCP: u8 = 6;
        const URGENT: u8 = 0x20;
        let ip: [u8; 10] = ctx.load(0).ok()?;
        let at = match (ip[0] >> 4, ip[9], ip[6]) {
            (4, TCP, _) => u32::from(ip[0] & 15) * 4,
            (6, _, TCP) => 40,
            _ => return None,
        };
        let tcp: [u8; 14] = ctx.load(at as usize).ok()?;
        Some(Self {
            sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
            urgent: tcp[13] & URGENT != 0,
            data: at + u32::from(tcp[12] >> 4) * 4,
        })
    }
}

struct Skb<'a>(&'a SkBuffContext);

impl Packet for Skb<'_> {
    #[inline(always)]
    fn bytes<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.load(at as usize).ok()
    }
}
