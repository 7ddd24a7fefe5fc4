//! What the programs count.

/// Index into the per-CPU counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// TCP connects sent to the agent.
    Steered,
    /// Connects of sockets that the agent itself marked.
    Exempt,
    /// Calls refused: the heartbeat is stale.
    RefusedStale,
    /// Calls refused: the agent doesn't listen in the caller's network namespace.
    RefusedNetns,
    /// Calls refused: QUIC, so that clients fall back to TCP.
    RefusedQuic,
    /// Binds to the agent's port refused.
    RefusedBind,
    /// Hand-offs that did not fit the map: the connect's first packet is dropped, and sent again.
    HandoffLost,
    /// First packets that waited for the agent to listen in their network namespace.
    Held,
    /// Packets stopped on their way out: no hook had seen their socket connect.
    Missed,
    /// Connects straight to the agent's port refused.
    RefusedStraight,
    /// First bytes of direct streams stopped on their way out: a ClientHello for an LLM host, or one that could be.
    Caught,
    /// Connects refused: there was no route a moment ago.
    RefusedUnreachable,
}

impl Counter {
    /// Every counter, in index order.
    pub const ALL: [Self; 12] = [
        Self::Steered,
        Self::Exempt,
        Self::RefusedStale,
        Self::RefusedNetns,
        Self::RefusedQuic,
        Self::RefusedBind,
        Self::HandoffLost,
        Self::Held,
        Self::Missed,
        Self::RefusedStraight,
        Self::Caught,
        Self::RefusedUnreachable,
    ];

    /// Label of the counter in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steered => "steered",
            Self::Exempt => "exempt",
            Self::RefusedStale => "refused_stale",
            Self::RefusedNetns => "refused_netns",
            Self::RefusedQuic => "refused_quic",
            Self::RefusedBind => "refused_bind",
            Self::HandoffLost => "handoff_lost",
            Self::Held => "held",
            Self::Missed => "missed",
            Self::RefusedStraight => "refused_straight",
            Self::Caught => "caught",
            Self::RefusedUnreachable => "refused_unreachable",
        }
    }
}
