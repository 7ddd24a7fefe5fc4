//! System calls that no crate of ours wraps. The only `unsafe` of the agent.
#![expect(
    unsafe_code,
    reason = "raw system calls, each fenced and explained here"
)]

mod cgroup;
mod socket;

use std::{
    ffi::CString,
    fs::File,
    io,
    mem::{size_of, zeroed},
    os::{
        fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

pub use cgroup::open_cgroup;
use socket::is_listener;
pub use socket::{netns_cookie, round_trip};

const BPF_OBJ_GET: libc::c_long = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`.
pub fn monotonic_now() -> u64 {
    now(libc::CLOCK_MONOTONIC)
}

/// A time of `CLOCK_MONOTONIC` as one since boot (`CLOCK_BOOTTIME`), which also counts while the machine is suspended.
pub fn since_boot(monotonic: u64) -> u64 {
    monotonic + now(libc::CLOCK_BOOTTIME).saturating_sub(monotonic_now())
}

fn now(clock: libc::clockid_t) -> u64 {
    // SAFETY: timespec is plain data.
    let mut now: libc::timespec = unsafe { zeroed() };
    // SAFETY: writes one timespec; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Runs `work` with the calling thread in another network namespace, and brings it back. Sockets stay in the namespace
/// that they were made in. Needs CAP_SYS_ADMIN.
///
/// # Errors
/// The namespace can't be entered; or those of `work`.
pub fn in_netns<T>(
    there: &File,
    home: &File,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    /// Also when `work` panics: a thread that stayed would dial for everybody from there.
    struct Return<'f>(&'f File);
    impl Drop for Return<'_> {
        fn drop(&mut self) {
            if set_netns(self.0).is_err() {
                std::process::abort();
            }
        }
    }
    set_netns(there)?;
    let _home = Return(home);
    work()
}

fn set_netns(namespace: &File) -> io::Result<()> {
    // SAFETY: plain integers; the descriptor is open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Whether a path is on a BPF file system; a path that doesn't exist is not.
pub fn on_bpffs(path: &Path) -> io::Result<bool> {
    let path = c_path(path)?;
    // SAFETY: statfs is plain data.
    let mut info: libc::statfs = unsafe { zeroed() };
    // SAFETY: a NUL-terminated path and room for one statfs.
    if unsafe { libc::statfs(path.as_ptr(), &raw mut info) } == 0 {
        return Ok(info.f_type == BPF_FS_MAGIC);
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::NotFound => Ok(false),
        error => Err(error),
    }
}

/// Mounts a BPF file system, only root may look into.
pub fn mount_bpffs(at: &Path) -> io::Result<()> {
    let at = c_path(at)?;
    // SAFETY: NUL-terminated strings that outlive the call.
    let result = unsafe {
        libc::mount(
            c"bpf".as_ptr(),
            at.as_ptr(),
            c"bpf".as_ptr(),
            0,
            c"mode=0700".as_ptr().cast(),
        )
    };
    check(result)
}

/// Unmounts what is mounted there, once nobody uses it any more (`MNT_DETACH`).
pub fn unmount(at: &Path) -> io::Result<()> {
    let at = c_path(at)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) })
}

/// Opens a pinned object (`BPF_OBJ_GET`).
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let path = c_path(path)?;
    let fd = bpf(
        BPF_OBJ_GET,
        &mut Attributes {
            path: path.as_ptr() as u64,
            fd: 0,
            flags: 0,
        },
    )?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Swaps the program of an attached link, atomically for the connects that run meanwhile (`BPF_LINK_UPDATE`).
pub fn update_link(link: &impl AsRawFd, program: &impl AsRawFd) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        link: u32,
        program: u32,
        flags: u32,
        old_program: u32,
    }
    let number = |fd: i32| u32::try_from(fd).map_err(|_| io::ErrorKind::InvalidInput);
    let mut attributes = Attributes {
        link: number(link.as_raw_fd())?,
        program: number(program.as_raw_fd())?,
        flags: 0,
        old_program: 0,
    };
    bpf(BPF_LINK_UPDATE, &mut attributes).map(drop)
}

/// What a cgroup link is attached to.
#[derive(Clone, Copy, Debug)]
pub struct CgroupLink {
    /// Id of the cgroup; 0 once that cgroup is gone.
    pub cgroup: u64,
    /// The hook, as `enum bpf_attach_type` numbers it.
    pub attach_type: u32,
}

/// Asks what a cgroup link is attached to (`BPF_OBJ_GET_INFO_BY_FD`).
pub fn cgroup_link(link: &impl AsRawFd) -> io::Result<CgroupLink> {
    /// `struct bpf_link_info` with its `cgroup` member.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u32,
        id: u32,
        program: u32,
        padding: u32,
        cgroup: u64,
        attach_type: u32,
        /// Fills the last word too: what a kernel doesn't know must be zero, and padding need not be.
        rest: [u32; 17],
    }
    #[repr(C)]
    struct Attributes {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = Info::default();
    let mut attributes = Attributes {
        fd: u32::try_from(link.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
        length: size_of::<Info>() as u32,
        info: &raw mut info as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(CgroupLink {
        cgroup: info.cgroup,
        attach_type: info.attach_type,
    })
}

/// A value that the kernel wrote as bytes; `None` if there are too few of them.
pub fn read_pod<T: aya::Pod>(bytes: &[u8]) -> Option<T> {
    // SAFETY: enough bytes, any bit pattern is a T, and the read needs no alignment.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Registers a descriptor that `inner` owns with the runtime's poller.
pub fn poll<T: AsRawFd + std::os::fd::AsFd>(inner: T) -> io::Result<tokio::io::unix::AsyncFd<T>> {
    // SAFETY: an AsFd owner keeps its one descriptor open for as long as it lives, and AsyncFd owns the owner.
    unsafe { tokio::io::unix::AsyncFd::register(inner) }.map_err(io::Error::from)
}

/// Moves up to `most` bytes between a socket and a pipe, either way, within the kernel (`splice`). 0 is the end of what
/// `from` is.
///
/// # Errors
/// `WouldBlock` where the pipe would, or where the socket does and is set not to block.
pub fn splice(from: &impl AsRawFd, to: &impl AsRawFd, most: usize) -> io::Result<usize> {
    // SAFETY: borrowed descriptors; no offset is read or written through the null pointers.
    let moved = unsafe {
        libc::splice(
            from.as_raw_fd(),
            std::ptr::null_mut(),
            to.as_raw_fd(),
            std::ptr::null_mut(),
            most,
            libc::SPLICE_F_NONBLOCK,
        )
    };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Lets a pipe hold `bytes`, a multiple of the page size (`F_SETPIPE_SZ`); 64 KiB unless told.
pub fn set_pipe_size(pipe: &impl AsRawFd, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: plain integers.
    match unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Bounds how many heaps the C library keeps (mallopt(3)) to one for each processor: it has eight, and whatever thread frees
/// detectors, which are megabytes, keeps their room in its own. To be called before there are threads.
pub fn bound_heaps() {
    #[cfg(target_env = "gnu")]
    {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let heaps = i32::try_from(processors).unwrap_or(i32::MAX);
        // SAFETY: plain integers.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
    }
}

/// Keeps values out of core dumps and out of other processes' reach (ptrace, /proc/PID/mem).
pub fn forbid_core_dumps() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

/// Raises the soft limit of open descriptors to the hard one, since a connection takes two. Returns what it was.
pub fn raise_descriptor_limit() -> io::Result<libc::rlim_t> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes one rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let soft = std::mem::replace(&mut limit.rlim_cur, limit.rlim_max);
    // SAFETY: reads one rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(soft)
}

/// Takes over descriptors that the parent left open, by their numbers. A child does not inherit them in turn. To be called
/// once, before anything else is opened: a number stands for what the parent had there.
///
/// # Errors
/// One is not open, is a standard stream, or is named twice.
pub fn inherited(numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != numbers.len() || sorted.first().is_some_and(|first| *first <= 2) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for &number in numbers {
        // SAFETY: plain integers; a number that is not open is an error.
        check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    // SAFETY: open, each once, and by contract nobody else's.
    let own = |&number: &RawFd| unsafe { OwnedFd::from_raw_fd(number) };
    Ok(numbers.iter().map(own).collect())
}

/// Leaves descriptors open in the command that is to be run, under the same numbers.
pub fn keep_open_in(command: &mut std::process::Command, descriptors: Vec<RawFd>) {
    use std::os::unix::process::CommandExt as _;
    let keep = move || {
        for &descriptor in &descriptors {
            // SAFETY: async-signal-safe; plain integers.
            check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls and allocates nothing.
    unsafe { command.pre_exec(keep) };
}

/// Duplicates of this process's listening TCP and Unix sockets, in whatever network namespace they are.
pub fn own_listeners() -> io::Result<Vec<OwnedFd>> {
    let mut listeners = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        // SAFETY: plain integers; what was closed meanwhile is an error.
        let duplicate = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if duplicate < 0 {
            continue;
        }
        // SAFETY: the kernel just gave us this descriptor.
        let duplicate = unsafe { OwnedFd::from_raw_fd(duplicate) };
        if is_listener(&duplicate) {
            listeners.push(duplicate);
        }
    }
    Ok(listeners)
}

/// Gives the command its own soft limit of open descriptors between fork and exec, and makes it join a cgroup, so that no
/// moment of it runs outside.
pub fn before_exec(
    command: &mut std::process::Command,
    cgroup_procs: Option<File>,
    descriptors: libc::rlim_t,
) {
    use std::os::unix::process::CommandExt as _;
    let prepare = move || {
        if let Some(procs) = &cgroup_procs {
            // SAFETY: write(2) is async-signal-safe; the descriptor and the byte live.
            let written = unsafe { libc::write(procs.as_raw_fd(), b"0".as_ptr().cast(), 1) };
            if written != 1 {
                return Err(io::Error::last_os_error());
            }
        }
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: async-signal-safe on Linux; writes one rlimit.
        check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
        limit.rlim_cur = descriptors;
        // SAFETY: as above; reads one rlimit.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
    };
    // SAFETY: the closure makes three system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// The user that this process acts for.
pub fn user() -> u32 {
    // SAFETY: it takes nothing, and can't fail.
    unsafe { libc::geteuid() }
}

/// Sends SIGTERM.
pub fn terminate(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGTERM)
}

/// Sends SIGKILL.
pub fn kill(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGKILL)
}

/// To one process: 0, which would mean our whole group, is how a cgroup lists those of other pid namespaces.
fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    if pid == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: plain integers.
    check(unsafe { libc::kill(pid, signal) })
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: `attributes` is the command's own layout and its pointers outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if result >= 0 {
        i32::try_from(result).map_err(io::Error::other)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}
