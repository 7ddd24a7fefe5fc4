//! Whether a scope is more than the one that is in the maps, an earlier agent's or a reload's before.

use std::net::IpAddr;

use super::{Ebpf, lock};
use crate::steering::{Scope, SteeringError};

impl Ebpf {
    /// Whether something of this scope was not steered so far. Where a range was cut into smaller ones, it says so too often.
    pub(super) fn widens(&self, scope: &Scope) -> Result<bool, SteeringError> {
        let before = lock(&self.settings)
            .get(&0, 0)
            .map_err(SteeringError::load)?;
        let had = |port: &u16| before.tls_ports.contains(port) || before.plain_ports.contains(port);
        let mut ports = scope.tls_ports.iter().chain(&scope.plain_ports);
        if !ports.all(had) || self.takes_out_less(scope)? {
            return Ok(true);
        }
        match (&self.known, &scope.known_hosts) {
            _ if before.known_hosts == 0 => Ok(false),
            (Some(known), Some(hosts)) => Ok(known.widens(hosts)),
            _ => Ok(true),
        }
    }

    /// Whether a range was never steered, and may be now.
    fn takes_out_less(&self, scope: &Scope) -> Result<bool, SteeringError> {
        let stays = |first: IpAddr, prefix: u32| {
            let mut ranges = scope.never.iter();
            ranges.any(|range| u32::from(range.prefix) <= prefix && range.contains(first))
        };
        for key in lock(&self.never4).keys() {
            let key = key.map_err(SteeringError::load)?;
            if !stays(key.data().into(), key.prefix_len()) {
                return Ok(true);
            }
        }
        for key in lock(&self.never6).keys() {
            let key = key.map_err(SteeringError::load)?;
            if !stays(key.data().into(), key.prefix_len()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
