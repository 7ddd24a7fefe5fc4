//! What is steered: ports, and destinations that never are.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use interceptor_common::Address;

use super::names::Names;
use crate::{config::Cidr, hosts::Hosts};

/// What is steered.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Ports where TLS is expected; at most 8.
    pub tls_ports: Vec<u16>,
    /// Ports where plain HTTP is looked for; at most 8.
    pub plain_ports: Vec<u16>,
    /// Destinations never steered, beside loopback and link-local.
    pub never: Vec<Cidr>,
    /// The agent's loopback port.
    pub listen_port: u16,
    /// Silence of the agent after which connects are refused.
    pub stale_after: Duration,
    /// What is known of LLM hosts, where nothing else is steered; all is without it.
    pub known_hosts: Option<KnownHosts>,
}

/// What a config says of the LLM hosts' addresses and names.
#[derive(Clone, Debug)]
pub struct KnownHosts {
    /// Addresses that are always steered.
    pub ranges: Vec<Cidr>,
    /// Names by which a stream to any other address is caught.
    pub names: Names,
}

impl KnownHosts {
    /// Of these hosts.
    pub fn of(hosts: &Hosts) -> Self {
        let ranges = hosts.iter().flat_map(|host| &host.ranges);
        Self {
            ranges: ranges.copied().collect(),
            names: Names::of(hosts),
        }
    }
}

impl Scope {
    /// Destinations that are never steered, as ranges.
    pub fn passes(&self) -> impl Iterator<Item = Cidr> {
        always_never().chain(self.never.iter().copied())
    }

    /// Whether TCP to there is steered, or is where known addresses are.
    pub fn steers(&self, to: SocketAddr) -> bool {
        let port = to.port();
        (self.tls_ports.contains(&port) || self.plain_ports.contains(&port))
            && !is_local(to.ip())
            && !self.never.iter().any(|cidr| cidr.contains(to.ip()))
    }
}

/// Whether an address is loopback or link-local.
pub fn is_local(address: IpAddr) -> bool {
    Address::from(address).is_local()
}

/// The same as ranges.
fn always_never() -> impl Iterator<Item = Cidr> {
    [
        ([127, 0, 0, 0].into(), 8),
        ([169, 254, 0, 0].into(), 16),
        ([0, 0, 0, 0].into(), 32),
    ]
    .into_iter()
    .chain([
        (Ipv6Addr::LOCALHOST.into(), 128),
        (Ipv6Addr::UNSPECIFIED.into(), 128),
        ([0xfe80, 0, 0, 0, 0, 0, 0, 0].into(), 10),
    ])
    .map(|(addr, prefix)| Cidr { addr, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_local_is_the_same_by_ranges_and_in_the_kernel() {
        for (first, last, before, behind) in [
            (
                "127.0.0.0",
                "127.255.255.255",
                "126.255.255.255",
                "128.0.0.0",
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                "169.253.255.255",
                "169.255.0.0",
            ),
            ("0.0.0.0", "0.0.0.0", "255.255.255.255", "0.0.0.1"),
            ("::", "::1", "1::", "::2"),
            ("fe80::", "febf:ffff::1", "fe7f:ffff::1", "fec0::"),
        ] {
            for (text, local) in [
                (first, true),
                (last, true),
                (before, false),
                (behind, false),
            ] {
                let address: IpAddr = text.parse().unwrap();
                let in_range = always_never().any(|cidr| cidr.contains(address));
                assert_eq!((is_local(address), in_range), (local, local), "{text}");
            }
        }
    }

    #[test]
    fn ports_and_ranges_decide() {
        let scope = Scope {
            tls_ports: vec![443],
            plain_ports: vec![80],
            never: vec![
                Cidr {
                    addr: [10, 0, 0, 0].into(),
                    prefix: 8,
                },
                Cidr {
                    addr: IpAddr::V6("2001:db8::".parse().unwrap()),
                    prefix: 33,
                },
            ],
            listen_port: 15443,
            stale_after: Duration::from_secs(3),
            known_hosts: None,
        };
        let steers = |to: &str| scope.steers(to.parse().unwrap());
        for to in [
            "198.51.100.1:443",
            "11.0.0.1:80",
            "[2001:db8:8000::1]:443",
            "[::ffff:11.0.0.1]:443",
        ] {
            assert!(steers(to), "{to}");
        }
        for to in [
            "198.51.100.1:22",
            "10.255.0.1:443",
            "127.0.0.1:443",
            "[::ffff:10.0.0.1]:443",
            "[2001:db8:7fff::1]:443",
            "[::1]:80",
            "[fe80::1]:443",
        ] {
            assert!(!steers(to), "{to}");
        }
    }
}
