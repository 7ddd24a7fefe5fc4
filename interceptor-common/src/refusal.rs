//! Why the kernel side refused a call.

use crate::Counter;

/// Why a program refused a call.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The agent gave no sign of life for longer than `stale_after`.
    Stale = 1,
    /// The agent can't listen in the caller's network namespace.
    Netns = 2,
    /// UDP to a TLS port: HTTP/3.
    Quic = 3,
    /// Somebody else asked for the agent's port.
    Bind = 4,
    /// A packet to where nothing may go but through the agent, of a socket that no hook saw connect.
    Missed = 5,
    /// A connect straight to the agent's port.
    Straight = 6,
    /// The first bytes of a stream that went direct: a ClientHello for an LLM host, or one that can't be read.
    Caught = 7,
    /// There is no route to the destination, as the agent found out a moment ago.
    Unreachable = 8,
}

impl Reason {
    /// The reason with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Stale),
            2 => Some(Self::Netns),
            3 => Some(Self::Quic),
            4 => Some(Self::Bind),
            5 => Some(Self::Missed),
            6 => Some(Self::Straight),
            7 => Some(Self::Caught),
            8 => Some(Self::Unreachable),
            _ => None,
        }
    }

    /// The counter that counts it.
    pub const fn counter(self) -> Counter {
        match self {
            Self::Stale => Counter::RefusedStale,
            Self::Netns => Counter::RefusedNetns,
            Self::Quic => Counter::RefusedQuic,
            Self::Bind => Counter::RefusedBind,
            Self::Missed => Counter::Missed,
            Self::Straight => Counter::RefusedStraight,
            Self::Caught => Counter::Caught,
            Self::Unreachable => Counter::RefusedUnreachable,
        }
    }
}
