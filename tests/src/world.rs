//! One isolated test bed: namespaces, cgroup, scratch folder, bpffs and the stub provider.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};

use crate::backend::Backend;
use crate::cgroup::Cgroup;
use crate::client::Client;
use crate::netns::{self, Netns};
use crate::sweep;
use crate::upstream::Upstream;

/// Everything a test needs but the agent. Fields are dropped in this order.
pub struct World {
    /// What the agent steers by.
    pub backend: Backend,
    /// Whether the agent resolves the names of [`netns::HOSTS`] too, as one with listeners has to.
    pub resolves: bool,
    /// The stub LLM provider under the names of [`netns::HOSTS`].
    pub upstream: Upstream,
    /// What the agent steers and clients run in.
    pub cgroup: Cgroup,
    /// Where clients and the agent live.
    pub clients: Netns,
    /// Where the stub provider listens.
    pub provider: Netns,
    run: String,
    scratch: Scratch,
}

impl World {
    /// Fails, and says so, where it is not run as root.
    pub fn new() -> Result<Self> {
        Self::on(Backend::chosen())
    }

    /// A world for one backend, whichever pass this is.
    pub fn on(backend: Backend) -> Result<Self> {
        require_root()?;
        sweep::arm()?;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let run = format!(
            "{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let scratch = Scratch::make(&run)?;
        let (clients, provider) = netns::pair(&run)?;
        let cgroup = Cgroup::make(&run)?;
        let upstream = Upstream::start(&provider, scratch.path())?;
        Ok(Self {
            backend,
            resolves: backend == Backend::Off,
            upstream,
            cgroup,
            clients,
            provider,
            run,
            scratch,
        })
    }

    /// A folder that is removed with the world; everyone may read it.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// A BPF file system of this world's own, for pins.
    pub fn bpffs(&self) -> PathBuf {
        self.dir().join("bpf")
    }

    /// A client in the steered cgroup, trusting `roots`.
    pub fn client(&self, roots: &Path) -> Client<'_> {
        Client::new(&self.clients, Some(&self.cgroup), roots)
    }

    /// A client in a cgroup below the steered one.
    pub fn client_of<'w>(&'w self, cgroup: &'w Cgroup, roots: &Path) -> Client<'w> {
        Client::new(&self.clients, Some(cgroup), roots)
    }

    /// An empty file system of this many bytes, in memory.
    pub fn small_disk(&self, bytes: usize) -> Result<PathBuf> {
        let disk = self.dir().join("disk");
        fs::create_dir(&disk)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=755")])
            .arg("tmpfs")
            .arg(&disk)
            .status()?;
        ensure!(mounted.success(), "can't mount at {}", disk.display());
        Ok(disk)
    }

    /// A container's namespace, with addresses of its own that end in `number`, from 100 on.
    pub fn container(&self, number: u8) -> Result<Netns> {
        netns::container(&self.run, &self.provider, number)
    }

    /// A container's namespace with nothing but loopback.
    pub fn isolated(&self, number: u8) -> Result<Netns> {
        netns::isolated(&self.run, number)
    }

    /// A client in the steered cgroup, in a container.
    pub fn client_in<'w>(&'w self, container: &'w Netns, roots: &Path) -> Client<'w> {
        Client::new(container, Some(&self.cgroup), roots)
    }

    /// A client that is not steered, trusting the provider's own CA: outside the cgroup, or with nftables, which steers the
    /// whole namespace, outside that.
    pub fn direct_client(&self) -> Client<'_> {
        let netns = match self.backend {
            Backend::Ebpf | Backend::Off => &self.clients,
            Backend::Nftables => &self.provider,
        };
        Client::new(netns, None, self.upstream.ca_file())
    }
}

/// Privileged tests are never skipped: without root they fail, with this.
pub fn require_root() -> Result<()> {
    let uid = fs::metadata("/proc/self")?.uid();
    ensure!(
        uid == 0,
        "this needs root, for network namespaces and eBPF: run `cargo xtask test`, which asks sudo for it"
    );
    Ok(())
}

struct Scratch(PathBuf);

impl Scratch {
    fn make(run: &str) -> Result<Self> {
        let scratch = Self(Path::new("/tmp").join(format!("ictest-{run}")));
        fs::create_dir(scratch.path())?;
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755))?;
        let bpf = scratch.path().join("bpf");
        fs::create_dir(&bpf)?;
        let mounted = Command::new("mount")
            .args(["-t", "bpf", "bpf"])
            .arg(&bpf)
            .status()?;
        ensure!(
            mounted.success(),
            "can't mount a BPF file system at {}",
            bpf.display()
        );
        Ok(scratch)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path().join("bpf")).status();
        let disk = self.path().join("disk");
        if disk.exists() {
            let _ = Command::new("umount").arg(disk).status();
        }
        let _ = fs::remove_dir_all(self.path());
    }
}
