//! Which destinations are the agent's business.

use aya_ebpf::{btf_maps::lpm_trie::Key, programs::SockAddrContext};
use interceptor_common::{Address, MAX_PORTS, Settings};

use crate::maps::{EXEMPT, KNOWN_HOSTS, KNOWN4, KNOWN6, NEVER4, NEVER6};

/// Whether one of the ports is this one; unused slots (0) end the list.
#[inline(always)]
pub fn contains(ports: &[u16; MAX_PORTS], port: u16) -> bool {
    for candidate in ports {
        if *candidate == 0 {
            return false;
        }
        if *candidate == port {
            return true;
        }
    }
    false
}

/// Whether the destination is loopback, link-local or configured as never to be steered.
#[inline(always)]
pub fn never(settings: &Settings, address: Address) -> bool {
    address.is_local() || (settings.never != 0 && is_in_a_range(address))
}

#[inline(always)]
fn is_in_a_range(address: Address) -> bool {
    match address.as_v4() {
        Some(v4) => NEVER4.get(&Key::new(32, v4.to_ne_bytes())).is_some(),
        None => NEVER6.get(&Key::new(128, address.octets())).is_some(),
    }
}

/// Whether addresses that are not known go direct.
#[inline(always)]
pub fn known_hosts_only() -> bool {
    KNOWN_HOSTS.load() != 0
}

/// Whether the destination may serve an LLM host, as far as the agent knows.
#[inline(always)]
pub fn known(address: Address) -> bool {
    match address.as_v4() {
        Some(v4) => KNOWN4.get(&Key::new(32, v4.to_ne_bytes())).is_some(),
        None => KNOWN6.get(&Key::new(128, address.octets())).is_some(),
    }
}

/// Whether TCP to this port is looked at.
#[inline(always)]
pub fn steers(settings: &Settings, port: u16) -> bool {
    contains(&settings.tls_ports, port) || contains(&settings.plain_ports, port)
}

/// Whether the agent marked this socket as its own.
#[inline(always)]
pub fn exempt(ctx: &SockAddrContext) -> bool {
    // SAFETY: reads the socket of this very context.
    !unsafe { EXEMPT.get_ptr_mut(ctx) }.is_null()
}
