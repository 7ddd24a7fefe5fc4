//! No steering: only who comes to a listener by itself is served, which needs no privilege.

use std::{io, os::fd::BorrowedFd};

use super::{Exempt, Scope, Steering, SteeringError, netns::Netns};
use crate::original_dst::{ClientAddr, LocalAddr, Lost, OriginalDst, Steered};

/// What `steering.backend = "off"` comes to.
#[derive(Clone, Copy, Debug)]
pub struct Off;

impl Steering for Off {
    fn exempt(&self, _: BorrowedFd<'_>) -> io::Result<Exempt> {
        Ok(Exempt::for_good())
    }

    fn configure(&self, _: &Scope) -> Result<bool, SteeringError> {
        Ok(false)
    }
}

impl OriginalDst for Off {
    fn take(
        &self,
        _: &Netns,
        _: BorrowedFd<'_>,
        _: ClientAddr,
        _: LocalAddr,
    ) -> Result<Steered, Lost> {
        Err(Lost)
    }
}
