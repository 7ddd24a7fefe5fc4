//! Sockets that steered connections arrive at: loopback, both families, bound before anything is steered.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel holds for us; 128 overflows under load and looks like lost connects.
pub const BACKLOG: i32 = 4096;

/// Binds `127.0.0.1:port` and `[::1]:port` in the network namespace that the thread is in, for a runtime to take; with port
/// 0 a free one is chosen for both. `mark` sees each socket before it is bound: the kernel side lets only marked ones
/// have the port.
///
/// # Errors
/// The port is taken, most often by another agent; or the host has no IPv4 loopback. A host without IPv6 gets
/// one listener.
pub fn bind(
    port: u16,
    mut mark: impl FnMut(&Socket) -> io::Result<()>,
) -> io::Result<Vec<TcpListener>> {
    let first = listen((Ipv4Addr::LOCALHOST, port).into(), &mut mark)?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    match listen((Ipv6Addr::LOCALHOST, port).into(), &mut mark) {
        Ok(listener) => listeners.push(listener),
        Err(error) if lacks_ipv6(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

/// Binds one address for a runtime to take.
///
/// # Errors
/// The address is taken.
pub fn at(address: SocketAddr) -> io::Result<TcpListener> {
    listen(address, &mut |_| Ok(()))
}

/// Binds one address. Also one that this host does not have yet, early at boot or in the life of a container: it is listened
/// on as soon as it is there.
///
/// # Errors
/// The port is taken.
pub fn bind_one(
    address: SocketAddr,
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    prepare(&socket)?;
    if address.ip().is_loopback() {
        // BBR, which many hosts have by default, paces by timers what never leaves the machine. Accepted sockets inherit it.
        let _ = socket.set_tcp_congestion(b"reno");
    }
    socket.set_reuse_address(true)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn listen(
    address: SocketAddr,
    mark: &mut impl FnMut(&Socket) -> io::Result<()>,
) -> io::Result<TcpListener> {
    bind_one(address, |socket| {
        mark(socket)?;
        match address {
            SocketAddr::V4(_) => Ok(()),
            SocketAddr::V6(_) => socket.set_only_v6(true),
        }
    })
}

/// Whether the kernel may hand this port to any socket that asks for none in particular, which no hook sees. The
/// operator is to reserve it (`net.ipv4.ip_local_reserved_ports`, which counts for IPv6 too).
pub fn is_ephemeral(port: u16) -> bool {
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default()
    };
    let range = read("ip_local_port_range")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-");
    contains(&range, port) && !contains(&read("ip_local_reserved_ports"), port)
}

/// Whether a list like `1024-2048,3000` has this port.
fn contains(ranges: &str, port: u16) -> bool {
    ranges.trim().split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_marked_before_they_are_bound() {
        let mut marked = 0;
        let listeners = bind(0, |socket| {
            marked += 1;
            assert_eq!(
                socket
                    .local_addr()?
                    .as_socket()
                    .map(|address| address.port()),
                Some(0)
            );
            Ok(())
        })
        .unwrap();
        assert_eq!(marked, listeners.len());
        assert!(
            listeners
                .iter()
                .all(|listener| listener.local_addr().unwrap().ip().is_loopback())
        );
    }

    #[test]
    fn port_lists() {
        assert!(contains("32768-60999", 32768) && !contains("32768-60999", 15443));
        assert!(contains("15443", 15443) && contains("1,15000-16000\n", 15443));
        assert!(!contains("", 15443) && !contains("x-y", 15443));
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = bind(0, |_| Ok(())).unwrap();
        let port = first[0].local_addr().unwrap().port();
        assert_eq!(
            bind(port, |_| Ok(())).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
