//! Connections that were open before anything was steered: they go past the agent, so they are ended. Programs see them as
//! reset by their own machine, and connect again.

use std::{collections::HashSet, io, net::SocketAddr};

use super::sock_diag;

/// What became of the connections that were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Ended.
    pub ended: usize,
    /// Open still: the kernel can't end them, or does not say whose they are.
    pub left: usize,
}

/// Ends the TCP connections of these cgroups, in the network namespace that the thread is in, that would be `steered` now.
///
/// # Errors
/// The kernel has no sock_diag.
pub fn end(steered: impl Fn(SocketAddr) -> bool, cgroups: &HashSet<u64>) -> io::Result<Ended> {
    let mut all = Ended::default();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for socket in sock_diag::open(family as u8)? {
            match socket.cgroup {
                _ if !steered(socket.to) => {}
                Some(cgroup) if !cgroups.contains(&cgroup) => {}
                Some(_) if socket.destroy().is_ok() => all.ended += 1,
                _ => all.left += 1,
            }
        }
    }
    Ok(all)
}
