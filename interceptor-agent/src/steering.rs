//! Bringing other processes' connections to the agent.

pub mod ebpf;
