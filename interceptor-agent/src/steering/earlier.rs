//! Connections that were open before anything was steered: they go past the agent, so they are ended. Programs see them as
//! reset by their own machine, and connect again.

use std::{cell::LazyCell, collections::HashSet, fs, io, net::SocketAddr};

use super::{
    cgroup::Cgroup,
    sock_diag::{self, Open},
};

/// What became of the connections that were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Ended.
    pub ended: usize,
    /// Open still: the kernel can't end them, or does not say whose they are.
    pub left: usize,
}

/// Ends the TCP connections of this cgroup and those below, in the network namespace that the thread is in, that would be
/// `steered` now; all but this process's own, and those of a `predecessor` that finishes what it has open.
///
/// # Errors
/// The kernel has no sock_diag, or there is no /proc.
pub fn end(
    steered: impl Fn(SocketAddr) -> bool,
    cgroup: &Cgroup,
    predecessor: Option<u32>,
) -> io::Result<Ended> {
    let mut all = Ended::default();
    let found = past(steered, cgroup)?;
    if found.is_empty() {
        return Ok(all);
    }
    let mut own = sockets(std::process::id())?;
    // One that is gone has none.
    own.extend(
        predecessor
            .and_then(|pid| sockets(pid).ok())
            .into_iter()
            .flatten(),
    );
    for socket in found.iter().filter(|socket| !own.contains(&socket.inode)) {
        match socket.cgroup.map(|_| socket.destroy()) {
            Some(Ok(())) => all.ended += 1,
            // It ended by itself, meanwhile.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            _ => all.left += 1,
        }
    }
    Ok(all)
}

/// How many such connections are open, but for those of these processes. One that is made or closed meanwhile is not
/// counted.
///
/// # Errors
/// The kernel has no sock_diag, or a process can't be looked into.
pub fn count(
    steered: impl Fn(SocketAddr) -> bool,
    cgroup: &Cgroup,
    others: &[u32],
) -> io::Result<usize> {
    let inodes = |sockets: Vec<Open>| sockets.into_iter().map(|socket| socket.inode);
    let before: HashSet<u32> = inodes(past(&steered, cgroup)?).collect();
    if before.is_empty() {
        return Ok(0);
    }
    // What was open before and is open behind has a descriptor in between. 0 was closed by its process.
    let mut theirs = HashSet::from([0]);
    for pid in others {
        theirs.extend(sockets(*pid)?);
    }
    let open = inodes(past(steered, cgroup)?).filter(|inode| before.contains(inode));
    Ok(open.filter(|inode| !theirs.contains(inode)).count())
}

fn past(steered: impl Fn(SocketAddr) -> bool, cgroup: &Cgroup) -> io::Result<Vec<Open>> {
    let cgroups = LazyCell::new(|| cgroup.ids());
    let mut all = sock_diag::open(libc::AF_INET as u8)?;
    all.extend(sock_diag::open(libc::AF_INET6 as u8)?);
    all.retain(|socket| {
        let is_below = || socket.cgroup.is_none_or(|cgroup| cgroups.contains(&cgroup));
        steered(socket.to) && is_below()
    });
    Ok(all)
}

/// What a process has open, by inode.
fn sockets(pid: u32) -> io::Result<HashSet<u32>> {
    let mut found = HashSet::new();
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // One that was closed meanwhile is none.
        let link = fs::read_link(descriptor?.path()).unwrap_or_default();
        found.extend(link.to_str().and_then(parse_socket));
    }
    Ok(found)
}

/// The inode in `socket:[3145]` (proc_pid_fd(5)).
fn parse_socket(link: &str) -> Option<u32> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, path::Path};

    use super::*;

    #[test]
    fn connections_are_counted_but_for_those_of_some() {
        let cgroup = Cgroup::open(Path::new("/")).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = server.local_addr().unwrap();
        let to_there = |to: SocketAddr| to == there;
        assert_eq!(count(to_there, &cgroup, &[]).unwrap(), 0);
        let client = std::net::TcpStream::connect(there).unwrap();
        assert_eq!(count(to_there, &cgroup, &[]).unwrap(), 1);
        let own = [std::process::id()];
        assert_eq!(count(to_there, &cgroup, &own).unwrap(), 0);
        assert!(count(to_there, &cgroup, &[u32::MAX]).is_err());
        // Half open still, and nobody can send any more.
        let _accepted = server.accept().unwrap();
        drop(client);
        assert_eq!(count(to_there, &cgroup, &[]).unwrap(), 0);
    }
}
