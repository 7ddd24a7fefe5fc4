//! Cgroups by the ids that the kernel knows them by.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd},
};

use super::check;

/// Opens a cgroup by the kernel's id of it, at a descriptor of the cgroup-v2 mount. Ids are given once: what is opened is the
/// cgroup that had it. Needs CAP_DAC_READ_SEARCH.
///
/// # Errors
/// It is gone (`ESTALE`).
pub fn open_cgroup(mount: &impl AsRawFd, id: u64) -> io::Result<OwnedFd> {
    /// `FILEID_KERNFS`, since Linux 5.5.
    const KERNFS: i32 = 0xfe;
    /// `struct file_handle` with its bytes.
    #[repr(C)]
    struct Handle {
        length: u32,
        kind: i32,
        id: [u8; 8],
    }
    let mut handle = Handle {
        length: 8,
        kind: KERNFS,
        id: id.to_ne_bytes(),
    };
    // SAFETY: the handle is as long as it says and outlives the call, which only reads it.
    let fd = unsafe {
        libc::open_by_handle_at(
            mount.as_raw_fd(),
            (&raw mut handle).cast(),
            libc::O_DIRECTORY | libc::O_CLOEXEC,
        )
    };
    check(fd.min(0))?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
