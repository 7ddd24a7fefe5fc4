//! What the kernel says of a socket.

use std::{
    io,
    mem::{size_of, zeroed},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use super::check;

/// Cookie of the network namespace a socket lives in (`SO_NETNS_COOKIE`, Linux 5.14).
pub fn netns_cookie(socket: &impl AsRawFd) -> io::Result<u64> {
    // SAFETY: a number.
    unsafe { socket_option(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE) }
}

/// Smoothed round-trip time of a TCP connection (`tcpi_rtt`, tcp(7)); of one that is new, what its handshake took.
pub fn round_trip(socket: &impl AsRawFd) -> io::Result<Duration> {
    // SAFETY: plain data.
    let info: libc::tcp_info = unsafe { socket_option(socket, libc::IPPROTO_TCP, libc::TCP_INFO) }?;
    Ok(Duration::from_micros(info.tcpi_rtt.into()))
}

pub(super) fn is_listener(socket: &OwnedFd) -> bool {
    let ask = |option| -> Option<i32> {
        // SAFETY: a number.
        unsafe { socket_option(socket, libc::SOL_SOCKET, option) }.ok()
    };
    ask(libc::SO_ACCEPTCONN) == Some(1)
        && (ask(libc::SO_PROTOCOL) == Some(libc::IPPROTO_TCP)
            || ask(libc::SO_DOMAIN) == Some(libc::AF_UNIX))
}

/// What getsockopt(2) says; what it leaves out is zero.
///
/// # Safety
/// Any bytes are a `T`.
unsafe fn socket_option<T>(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<T> {
    // SAFETY: the caller's promise.
    let mut value: T = unsafe { zeroed() };
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: writes at most `length` bytes to `value`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    check(result).map(|()| value)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        time::Instant,
    };

    use super::*;

    #[test]
    fn a_handshake_is_a_round_trip() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = Instant::now();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let at_most = started.elapsed();
        let round_trip = round_trip(&client).unwrap();
        assert!(
            !round_trip.is_zero() && round_trip <= at_most,
            "{round_trip:?} of {at_most:?}"
        );
    }
}
