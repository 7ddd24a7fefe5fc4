//! The one system call that no safe interface offers: a thread of ours enters a network namespace.
#![expect(unsafe_code, reason = "setns has no safe wrapper in std or tokio")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Moves the calling thread, and threads that it starts later, into a network namespace.
pub fn enter(netns: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `netns` is borrowed, and setns touches no memory of ours.
    match unsafe { libc::setns(netns.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
