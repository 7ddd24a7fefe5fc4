//! What the scope `known-hosts` needs: streams that go direct, those that should not have, and DNS answers.

use crate::{Address, Original};

/// In [`Direct::state`]: no byte of the stream has been seen yet.
pub const DIRECT_WAITS: u32 = 0;

/// In [`Direct::state`]: the stream goes direct, whatever it carries.
pub const DIRECT_PASSES: u32 = 1;

/// In [`Direct::state`]: the stream was caught, and none of its bytes leave.
pub const DIRECT_STOPPED: u32 = 2;

/// A stream to a steered port of an address that is not known to serve an LLM host.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direct {
    /// Who connected, and where to; the address alone where no hook saw the connect.
    pub original: Original,
    /// Sequence number of the SYN: one that is sent again begins no new stream.
    pub begin: u32,
    /// `DIRECT_*`.
    pub state: u32,
}

/// What a program tells the agent: a stream that went direct and was caught.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Miss {
    /// Who connected, and where to; `netns` is 0 where no hook saw the connect.
    pub original: Original,
    /// The socket's own address.
    pub source: Address,
    /// The socket's cookie, as `SO_COOKIE` has it.
    pub cookie: u64,
    /// Index of the network device that the socket is bound to, or 0.
    pub device: u32,
    /// The socket's own port, in host order.
    pub source_port: u16,
    /// 1 where the ClientHello names an LLM host, 0 where it could not be read.
    pub named: u16,
}

/// Most bytes of a DNS answer that are looked at: what EDNS clients ask for is 1232 (DNS flag day 2020), and seldom more.
pub const MAX_ANSWER: usize = 2048;

/// What a program tells the agent: a datagram that came from port 53.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How many of `bytes` there are.
    pub length: u32,
    /// Keeps the layout free of padding.
    pub reserved: u32,
    /// The DNS message, cut at [`MAX_ANSWER`].
    pub bytes: [u8; MAX_ANSWER],
}
