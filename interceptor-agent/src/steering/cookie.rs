//! The cookie of a socket's network namespace: as the kernel says it, or, before Linux 5.14, as a program of ours sees it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use aya::{
    maps::{MapData, SkStorage},
    programs::CgroupSockAddr,
};
use socket2::{Domain, SockRef};

use super::{SteeringError, cgroup, cgroup::Cgroup, ebpf};
use crate::sys;

/// The programs of the object that steer nothing: for IPv4 sockets, and for IPv6 ones.
pub(super) const PROGRAMS: [&str; 2] = ["own_netns4", "own_netns6"];

/// Cookie of the network namespace that a socket of this process is in.
///
/// # Errors
/// The kernel has neither `SO_NETNS_COOKIE` (Linux 5.14) nor what [`ask`] needs (Linux 5.10).
pub fn of(socket: &(impl AsFd + AsRawFd)) -> io::Result<u64> {
    match sys::netns_cookie(socket) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            ask(socket).map_err(io::Error::other)
        }
        said => said,
    }
}

/// Attaches the program to the process's own cgroup, which a socket belongs to from its making, for one `getsockname`.
fn ask(socket: &(impl AsFd + AsRawFd)) -> Result<u64, SteeringError> {
    let mut object = ebpf::object()?;
    let mut cookie: SkStorage<MapData, u64> = ebpf::take(&mut object, "COOKIE")?;
    let is_v6 = SockRef::from(socket)
        .domain()
        .is_ok_and(|domain| domain == Domain::IPV6);
    let name = PROGRAMS[usize::from(is_v6)];
    let program: &mut CgroupSockAddr = object
        .program_mut(name)
        .ok_or_else(|| SteeringError::load(format!("program {name} is missing from the object")))?
        .try_into()
        .map_err(SteeringError::load)?;
    program.load().map_err(SteeringError::load)?;
    // Nothing is written to sockets that have no storage.
    cookie.insert(socket, 0, 0).map_err(SteeringError::load)?;
    let own = Cgroup::open(&cgroup::own()?)?;
    let link = program
        .attach(own.directory(), aya::programs::CgroupAttachMode::Single)
        .map_err(SteeringError::load)?;
    let asked = SockRef::from(socket).local_addr();
    program.detach(link).map_err(SteeringError::load)?;
    asked.map_err(SteeringError::io("getsockname"))?;
    match cookie.get(socket, 0).map_err(SteeringError::load)? {
        0 => Err(SteeringError::load(format!(
            "a socket of the agent is not in its cgroup {}",
            own.path().display()
        ))),
        cookie => Ok(cookie),
    }
}
