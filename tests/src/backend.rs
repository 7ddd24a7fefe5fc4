//! Which backend a test's agent steers by: eBPF, unless the variable or the test says otherwise.

/// What `steering.backend` is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A cgroup's sockets, by eBPF programs, as root.
    Ebpf,
    /// The clients' whole network namespace, by nftables rules, with CAP_NET_ADMIN and no other capability.
    Nftables,
    /// Nothing: the agent has listeners only, and no capability.
    Off,
}

impl Backend {
    /// By `INTERCEPTOR_TEST_BACKEND`, which `cargo xtask test` sets for its second pass.
    pub fn chosen() -> Self {
        match std::env::var("INTERCEPTOR_TEST_BACKEND").as_deref() {
            Ok("nftables") => Self::Nftables,
            _ => Self::Ebpf,
        }
    }
}
