//! The programs and the cgroup whose sockets they decide on: each link is pinned, and outlives the agent.

use std::os::fd::AsFd as _;

use aya::{Ebpf as Object, programs::Program};

use super::{
    Ebpf, OVERHEAR, lock,
    pins::{self, Pinned},
    programs,
};
use crate::steering::{SteeringError, cgroup::Cgroup, cookie};

impl Ebpf {
    /// Whether links that are pinned already are the cgroup's: nothing is changed for one that isn't.
    ///
    /// # Errors
    /// They are another cgroup's, and [`Ebpf::attach`] would fail.
    pub fn check(&self, cgroup: &Cgroup) -> Result<(), SteeringError> {
        let id = cgroup.id()?;
        for (name, _) in lock(&self.programs).programs() {
            pins::attached(&pins::link(&self.pins, name), id)?;
        }
        Ok(())
    }

    /// Whether every program is attached to the cgroup.
    ///
    /// # Errors
    /// One is attached to another; or the pins were removed as a whole, which is no accident.
    pub fn is_attached(&self, cgroup: &Cgroup) -> Result<bool, SteeringError> {
        if !self.pins.exists() {
            return Err(SteeringError::Uninstalled(self.pins.clone()));
        }
        let id = cgroup.id()?;
        for (name, _) in self.hooks(&mut lock(&self.programs)) {
            if !matches!(
                pins::attached(&pins::link(&self.pins, name), id)?,
                Pinned::Here(_)
            ) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Starts to steer the sockets of a cgroup and below, or swaps the programs of an agent that did. Those of an agent of
    /// another version end last: until then both decide, and a connect is refused. Returns whether something was not
    /// steered before.
    pub fn attach(&self, cgroup: &Cgroup) -> Result<bool, SteeringError> {
        let (id, mut begun) = (cgroup.id()?, false);
        let mut object = lock(&self.programs);
        let unloaded = self.hooks(&mut object);
        for (_, program) in unloaded.filter(|(_, program)| program.fd().is_err()) {
            programs::load(program)?;
        }
        if self.known.is_none() {
            pins::remove(&pins::link(&self.pins, OVERHEAR))?;
        }
        for (name, program) in self.hooks(&mut object) {
            let pin = pins::link(&self.pins, name);
            let fd = program.fd().map_err(SteeringError::load)?.as_fd();
            if !pins::swap(&pin, id, &fd)? {
                programs::attach(program, cgroup)?
                    .pin(&pin)
                    .map_err(SteeringError::load)?;
                begun = true;
            }
        }
        pins::retire_others(&self.pins)?;
        Ok(begun)
    }

    /// The programs that are attached to a cgroup.
    fn hooks<'o>(
        &self,
        object: &'o mut Object,
    ) -> impl Iterator<Item = (&'o str, &'o mut Program)> {
        let known_hosts = self.known.is_some();
        object.programs_mut().filter(move |(name, _)| {
            !cookie::PROGRAMS.contains(name) && (known_hosts || *name != OVERHEAR)
        })
    }
}
