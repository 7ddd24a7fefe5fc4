//! Whether a scope is more than the one that is in the maps, an earlier agent's or a reload's before; and the debt that comes
//! of it, which outlives the agent: connections from before that are still to be ended.

use std::net::IpAddr;

use aya::maps::{Array, MapData};
use interceptor_common::Settings;

use super::{Ebpf, lock};
use crate::steering::{Scope, SteeringError};

impl Ebpf {
    /// Notes that connections may be open that are to be ended.
    pub fn owe(&self) -> Result<(), SteeringError> {
        let mut map = lock(&self.settings);
        let mut settings = read(&map)?;
        settings.owed = settings.owed.checked_add(1).unwrap_or(1);
        write(&mut map, settings)
    }

    /// What is owed: 0 for nothing, and another number each time that more comes to it.
    pub fn owed(&self) -> Result<u16, SteeringError> {
        read(&lock(&self.settings)).map(|settings| settings.owed)
    }

    /// Notes that what was `owed` was done, unless more has come to it, or the maps are not this agent's alone.
    pub fn settle(&self, owed: u16, is_alone: impl Fn() -> bool) -> Result<(), SteeringError> {
        let mut map = lock(&self.settings);
        let mut settings = read(&map)?;
        if settings.owed != owed || !is_alone() {
            return Ok(());
        }
        settings.owed = 0;
        write(&mut map, settings)
    }

    /// Replaces all but what is owed.
    pub(super) fn replace(&self, mut settings: Settings) -> Result<(), SteeringError> {
        let mut map = lock(&self.settings);
        settings.owed = read(&map)?.owed;
        write(&mut map, settings)
    }

    /// Whether something of this scope was not steered so far, or is still owed. Where a range was cut into smaller ones, it
    /// says so too often.
    pub(super) fn widens(&self, scope: &Scope) -> Result<bool, SteeringError> {
        let before = read(&lock(&self.settings))?;
        if before.owed != 0 {
            return Ok(true);
        }
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

fn read(map: &Array<MapData, Settings>) -> Result<Settings, SteeringError> {
    map.get(&0, 0).map_err(SteeringError::load)
}

fn write(map: &mut Array<MapData, Settings>, settings: Settings) -> Result<(), SteeringError> {
    map.set(0, settings, 0).map_err(SteeringError::load)
}
