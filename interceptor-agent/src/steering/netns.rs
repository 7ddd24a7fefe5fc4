//! Network namespaces: a container's loopback is its own, so the agent listens in each, and dials from where the client
//! stood: with its routes, its source address and its restrictions.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::TcpSocket;

use super::{
    cgroup::{self, Cgroup},
    cookie,
};
use crate::sys;

/// A network namespace that the agent can make sockets in. Two are the same when their cookies are.
pub struct Netns {
    cookie: u64,
    inode: u64,
    /// Where it is, and where the agent is; none for the agent's own.
    elsewhere: Option<(File, Arc<File>)>,
}

impl Netns {
    /// The agent's own.
    ///
    /// # Errors
    /// /proc is not mounted, or the kernel is older than Linux 5.10.
    pub fn own() -> io::Result<Self> {
        Ok(Self {
            cookie: cookie_here()?,
            inode: home()?.metadata()?.ino(),
            elsewhere: None,
        })
    }

    /// The agent's own, where there is no other: it needs no name.
    pub fn only() -> Self {
        Self {
            cookie: 0,
            inode: 0,
            elsewhere: None,
        }
    }

    /// The one that a file like `/proc/PID/ns/net` stands for; none where that was: its process has ended, or nothing is
    /// mounted there any more.
    ///
    /// # Errors
    /// The agent may not enter it (CAP_SYS_ADMIN, CAP_SYS_PTRACE).
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match Self::enter(path) {
            Ok(netns) => Ok(Some(netns)),
            Err(error) if is_gone(path, &error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn enter(path: &Path) -> io::Result<Self> {
        let (there, home) = (File::open(path)?, Arc::new(home()?));
        let inode = there.metadata()?.ino();
        let cookie = sys::in_netns(&there, &home, cookie_here)?;
        Ok(Self {
            cookie,
            inode,
            elsewhere: (inode != home.metadata()?.ino()).then_some((there, home)),
        })
    }

    /// The kernel's name for it, never used again.
    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    /// Its inode: what `/proc/PID/ns/net` shows.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Runs `work` in there, on this thread. It must be short: everything else on the thread waits.
    ///
    /// # Errors
    /// The namespace can't be entered; or those of `work`.
    pub fn run<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match &self.elsewhere {
            Some((there, home)) => sys::in_netns(there, home, work),
            None => work(),
        }
    }

    /// A TCP socket in there, of the family of `address`.
    ///
    /// # Errors
    /// As for [`Netns::run`], or no descriptor is free.
    pub fn tcp_socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        self.run(|| match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })
    }
}

/// Namespaces by inode, each with a file that stands for it: those of the processes in a cgroup and below.
pub fn of_processes(cgroup: &Cgroup) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    for pid in cgroup.processes() {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        // A process that ended meanwhile has none.
        if let Ok(name) = fs::read_link(&path)
            && let Some(inode) = parse_name(&name.to_string_lossy())
        {
            found.entry(inode).or_insert(path);
        }
    }
    found
}

/// Namespaces by inode, each with a file that stands for it, that a mount keeps, with or without processes, as `ip netns` and
/// Docker do: of the mounts that the machine's first process sees. In a mount namespace of the agent's own, copies of mounts
/// can stay that are gone elsewhere.
pub fn mounted() -> HashMap<u64, PathBuf> {
    let table = fs::read_to_string("/proc/1/mountinfo")
        .or_else(|_| fs::read_to_string("/proc/self/mountinfo"))
        .unwrap_or_default();
    let there = |(inode, path): (u64, PathBuf)| {
        let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.ino() == inode);
        let below = path.strip_prefix("/").unwrap_or(&path);
        let seen_by_first = Some(Path::new("/proc/1/root").join(below));
        (inode, seen_by_first.filter(is_it).unwrap_or(path))
    };
    parse_mounts(&table).map(there).collect()
}

/// Fields 4 and 5 of a mountinfo line are the root of the mount, for a namespace its name, and where it is (proc(5)).
fn parse_mounts(table: &str) -> impl Iterator<Item = (u64, PathBuf)> {
    let lines = table.lines().filter(|line| line.contains(" - nsfs "));
    lines.filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let inode = parse_name(fields.next()?)?;
        Some((inode, cgroup::unescape(fields.next()?)))
    })
}

/// The inode in `net:[4026531840]`.
fn parse_name(name: &str) -> Option<u64> {
    name.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// Of a task that is no more the kernel also says EACCES (proc_ns_get_link); of the empty file that a namespace was mounted
/// on, EINVAL (setns(2)).
fn is_gone(path: &Path, error: &io::Error) -> bool {
    let task_ended = || path.ancestors().nth(2).is_some_and(|task| !task.exists());
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) || task_ended()
}

fn home() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

fn cookie_here() -> io::Result<u64> {
    cookie::of(&TcpSocket::new_v4()?)
}

impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        self.cookie == other.cookie
    }
}

impl Eq for Netns {}

impl Hash for Netns {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cookie.hash(state);
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netns({})", self.cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_mounts() {
        assert_eq!(parse_name("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(parse_name("mnt:[4026531840]"), None);
        let table = "\
35 24 0:4 net:[4026532283] /run/netns/a\\040b rw shared:7 - nsfs nsfs rw
36 24 0:4 mnt:[4026532284] /run/mnt rw shared:8 - nsfs nsfs rw
37 24 0:30 / /run rw - tmpfs tmpfs rw";
        let mounts: Vec<_> = parse_mounts(table).collect();
        assert_eq!(mounts, [(4_026_532_283, "/run/netns/a b".into())]);
    }

    #[test]
    fn one_that_is_gone_is_told_from_one_that_cant_be_entered() {
        let open = |path: &str| Netns::open(Path::new(path));
        assert!(open("/proc/self/ns/net").unwrap().is_some());
        assert!(open("/proc/4294967295/task/1/ns/net").unwrap().is_none());
        assert!(open("/proc/self/status").unwrap().is_none());
        let no_access = io::Error::from(ErrorKind::PermissionDenied);
        assert!(!is_gone(Path::new("/proc/self/ns/net"), &no_access));
        assert!(is_gone(Path::new("/proc/4294967295/ns/net"), &no_access));
    }

    #[test]
    fn the_own_one_is_found_by_both_ways() {
        let own = Netns::own().unwrap();
        let inode = fs::read_link("/proc/self/ns/net").unwrap();
        assert_eq!(parse_name(&inode.to_string_lossy()), Some(own.inode()));
        assert_eq!(own.run(cookie_here).unwrap(), own.cookie());
    }
}
