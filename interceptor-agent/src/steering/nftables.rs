//! The nftables backend, for machines and containers without BPF: one table redirects what the network namespace connects
//! to, and conntrack says where it was going.
//!
//! The table outlives the agent: without its sign of life, or with nobody listening, connects are refused by the kernel. A
//! new agent replaces it in one transaction.

mod netlink;
mod only_one;
mod own;
mod ruleset;
mod sets;

use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    os::fd::BorrowedFd,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use nftables::{
    helper::{self, NftablesError},
    schema::{NfListObject, NfObject, Nftables as Json},
};
use socket2::{Domain, SockRef};

use super::{Exempt, Scope, Steering, SteeringError, netns::Netns, sock_diag};
use crate::original_dst::{
    ClientAddr, LocalAddr, Lost, OrigDstAddr, OriginalDst, Process, Steered,
};
use only_one::OnlyOne;
use own::Exemption;
use sets::{Change, Sets};

/// How much longer than the agent waits for a connect its exemption may last, should the agent die meanwhile.
const SLACK: Duration = Duration::from_secs(5);

/// The table, as the agent uses it.
pub struct Nftables {
    /// On our own sockets, so that a port that an exemption outlived is of no use to others.
    mark: u32,
    sets: Arc<Sets>,
    exempt_for: Duration,
    /// What the rules are for.
    scope: RwLock<Option<Scope>>,
    only_one: OnlyOne,
}

impl Nftables {
    /// Gets ready to steer this network namespace. Nothing is changed before the first [`Steering::configure`]. `patience`
    /// bounds the agent's own connects.
    ///
    /// # Errors
    /// Another agent does so already, or the kernel has no nftables for us.
    pub fn open(patience: Duration) -> Result<Self, SteeringError> {
        // Asked of the kernel: without CAP_NET_ADMIN, nft or nf_tables this ends here.
        installed()?;
        let only_one = OnlyOne::take(is_alive)?;
        Ok(Self {
            mark: random_mark().map_err(SteeringError::io("/dev/urandom"))?,
            sets: Arc::new(Sets::open().map_err(SteeringError::io("netlink"))?),
            exempt_for: patience + SLACK,
            scope: RwLock::default(),
            only_one,
        })
    }

    /// Marks a listener, before it is bound: connections are let through to marked ones only.
    pub fn mark(&self, listener: &socket2::Socket) -> io::Result<()> {
        listener.set_mark(self.mark)
    }

    /// One sign of life: for `steering.heartbeat` from now on connections are redirected, after that refused. A table that
    /// somebody removed, as a firewall that is loaded anew does, is set again.
    ///
    /// # Errors
    /// The kernel or `nft` refused.
    pub fn beat(&self) -> Result<(), SteeringError> {
        self.only_one.keep();
        let Some(scope) = self.scope() else {
            return Ok(());
        };
        // Only a new element has a new time, and only one that is there can be removed.
        let add = Change::Add(scope.stale_after);
        match self
            .sets
            .change(ruleset::ALIVE, &ruleset::TCP, &[add, Change::Remove, add])
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(
                    "somebody removed the nftables table `interceptor`: setting it again"
                );
                apply(&ruleset::install(&scope, self.mark))
            }
            beaten => beaten.map_err(SteeringError::io("nftables")),
        }
    }

    fn scope(&self) -> Option<Scope> {
        self.scope
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Steering for Nftables {
    fn exempt(&self, socket: BorrowedFd<'_>) -> io::Result<Exempt> {
        SockRef::from(&socket).set_mark(self.mark)?;
        let exemption = Exemption::begin(Arc::clone(&self.sets), socket, self.exempt_for)?;
        Ok(Exempt::until_dropped(exemption))
    }

    /// In one transaction, which replaces what an earlier agent or config left. Where it fails, the rules are as they were.
    /// The rules themselves reset what was open before.
    fn configure(&self, scope: &Scope) -> Result<bool, SteeringError> {
        apply(&ruleset::install(scope, self.mark))?;
        *self.scope.write().unwrap_or_else(PoisonError::into_inner) = Some(scope.clone());
        Ok(false)
    }
}

impl OriginalDst for Nftables {
    fn take(
        &self,
        _: &Netns,
        socket: BorrowedFd<'_>,
        client: ClientAddr,
        local: LocalAddr,
    ) -> Result<Steered, Lost> {
        let original = original_dst(&SockRef::from(&socket)).ok_or(Lost)?;
        // Who came without NAT wanted our own address, who came by somebody else's NAT may have wanted any.
        if original == local.0 || !self.scope().is_some_and(|scope| scope.steers(original)) {
            return Err(Lost);
        }
        let owner = sock_diag::owner(client.0, original);
        if owner.is_some_and(|owner| owner.mark == self.mark) {
            // It would come back each time that it is dialled.
            tracing::warn!(%original, "another table's rules led the agent's own connect back to it: it is refused");
            return Err(Lost);
        }
        Ok(Steered {
            original: OrigDstAddr(original),
            process: Process {
                uid: owner.map_or(u32::MAX, |owner| owner.uid),
                comm: "unknown".to_owned(),
                ..Process::default()
            },
        })
    }
}

/// Removes the table of this network namespace, whoever made it: nothing is redirected any more. Whether there was one.
///
/// # Errors
/// An agent runs on it, or `nft` is there and failed. Without `nft` there is no table of ours.
pub fn uninstall() -> Result<bool, SteeringError> {
    let there = match installed() {
        Err(SteeringError::NoNft(_)) => false,
        there => there?,
    };
    if there {
        let _nobody_else = OnlyOne::take(is_alive)?;
        apply(&ruleset::uninstall())?;
    }
    Ok(there)
}

/// What there is in the caller's network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Whether an agent holds the namespace.
    pub agent: bool,
    /// Whether the agent's last sign of life still counts, so that connections are redirected.
    pub alive: bool,
}

/// Asks the kernel; `None`: no table of ours.
///
/// # Errors
/// `nft` failed, most often for want of CAP_NET_ADMIN.
pub fn survey() -> Result<Option<Survey>, SteeringError> {
    if !installed()? {
        return Ok(None);
    }
    Ok(Some(Survey {
        agent: OnlyOne::is_taken(),
        alive: is_alive()?,
    }))
}

/// Whether an agent has given a sign of life that still counts.
fn is_alive() -> Result<bool, SteeringError> {
    if !installed()? {
        return Ok(false);
    }
    let list = ["list", "set", "inet", ruleset::TABLE, ruleset::ALIVE];
    let listed = helper::get_current_ruleset_with_args(nft(), list)?;
    Ok(listed.objects.iter().any(|object| {
        matches!(object, NfObject::ListObject(NfListObject::Set(set)) if set.elem.as_ref().is_some_and(|elements| !elements.is_empty()))
    }))
}

fn installed() -> Result<bool, SteeringError> {
    let tables = helper::get_current_ruleset_with_args(nft(), ["list", "tables"])?;
    let ours = |object: &NfObject<'_>| matches!(object, NfObject::ListObject(NfListObject::Table(table)) if *table.name == *ruleset::TABLE && table.family == ruleset::FAMILY);
    Ok(tables.objects.iter().any(ours))
}

fn apply(rules: &Json<'_>) -> Result<(), SteeringError> {
    Ok(helper::apply_ruleset_with_args(
        rules,
        nft(),
        helper::DEFAULT_ARGS,
    )?)
}

/// Debian keeps it out of an ordinary user's PATH.
fn nft() -> Option<&'static str> {
    const DEBIAN: &str = "/usr/sbin/nft";
    std::path::Path::new(DEBIAN).exists().then_some(DEBIAN)
}

/// Where conntrack says that an accepted connection was going.
fn original_dst(socket: &SockRef<'_>) -> Option<SocketAddr> {
    let original = match socket.domain().ok()? {
        Domain::IPV4 => socket.original_dst_v4(),
        _ => socket.original_dst_v6(),
    };
    // The kernel leaves a flow label and a scope that nobody dials with.
    let original = original.ok()?.as_socket()?;
    Some(SocketAddr::new(original.ip(), original.port()))
}

/// Never 0, which is what every other socket has.
fn random_mark() -> io::Result<u32> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes).max(1))
}

impl From<NftablesError> for SteeringError {
    fn from(error: NftablesError) -> Self {
        match error {
            NftablesError::NftExecution { inner, .. } => Self::NoNft(inner),
            // Its first lines say what; the others quote rules.
            NftablesError::NftFailed { stderr, .. } => {
                Self::Nftables(stderr.lines().next().unwrap_or("it failed").to_owned())
            }
            other => Self::Nftables(other.to_string()),
        }
    }
}
