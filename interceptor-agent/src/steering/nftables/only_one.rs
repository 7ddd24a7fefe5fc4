//! One agent a network namespace, told by an abstract Unix address: as the table does, it belongs to one namespace, and it is
//! free when its holder is dead. But anybody may hold it, so it counts only beside the agent's sign of life, which nobody
//! can give who can't change the rules (CAP_NET_ADMIN).

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    sync::{Mutex, PoisonError},
};

use crate::steering::SteeringError;

const NAME: &str = "interceptor-nftables";

/// Keeps other agents off this network namespace for as long as it lives.
pub(super) struct OnlyOne {
    address: SocketAddr,
    held: Mutex<Option<UnixListener>>,
}

impl OnlyOne {
    /// Takes hold of the caller's network namespace.
    ///
    /// # Errors
    /// Another agent has it: somebody holds the address, and there is a sign of life.
    pub(super) fn take(
        is_alive: impl FnOnce() -> Result<bool, SteeringError>,
    ) -> Result<Self, SteeringError> {
        let address = SocketAddr::from_abstract_name(NAME);
        Self::at(address.map_err(failed)?, is_alive)
    }

    fn at(
        address: SocketAddr,
        is_alive: impl FnOnce() -> Result<bool, SteeringError>,
    ) -> Result<Self, SteeringError> {
        let held = match UnixListener::bind_addr(&address) {
            Ok(held) => Some(held),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(failed(error)),
            Err(_) if is_alive()? => return Err(SteeringError::RunningHere),
            Err(_) => {
                tracing::warn!(
                    "@{NAME} is held by somebody who is no living agent: going on without it"
                );
                None
            }
        };
        Ok(Self {
            address,
            held: Mutex::new(held),
        })
    }

    /// Takes the address, where somebody else had it, as soon as he has let go.
    pub(super) fn keep(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = UnixListener::bind_addr(&self.address).ok();
        }
    }

    /// Whether anybody holds the address.
    pub(super) fn is_taken() -> bool {
        SocketAddr::from_abstract_name(NAME)
            .and_then(|address| UnixListener::bind_addr(&address))
            .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    }
}

fn failed(error: io::Error) -> SteeringError {
    SteeringError::io(format!("@{NAME}"))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_address_counts_only_beside_a_sign_of_life() {
        let name = format!("interceptor-test-{}", std::process::id());
        let take = |alive| {
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            OnlyOne::at(address, || alive)
        };
        let first = take(Ok(false)).unwrap();
        let rival = take(Ok(true));
        assert!(matches!(rival, Err(SteeringError::RunningHere)));
        let unsure = take(Err(SteeringError::NoCgroup2));
        assert!(matches!(unsure, Err(SteeringError::NoCgroup2)));
        let other = take(Ok(false)).unwrap();
        other.keep();
        drop(first);
        // A sign of life may be that of one who has died since.
        drop(take(Ok(true)).unwrap());
        other.keep();
        let late = take(Ok(true));
        assert!(matches!(late, Err(SteeringError::RunningHere)));
    }
}
