//! The programs and the cgroup whose sockets they decide on: each link is pinned, and outlives the agent.

use std::os::fd::AsFd as _;

use aya::{
    Ebpf as Object,
    programs::{CgroupAttachMode, CgroupSkbAttachType, Program, links::FdLink},
};

use super::{
    Ebpf, lock,
    pins::{self, Pinned},
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
        for (name, _) in hooks(&mut lock(&self.programs)) {
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
        let mut programs = lock(&self.programs);
        for (_, program) in hooks(&mut programs).filter(|(_, program)| program.fd().is_err()) {
            load_program(program)?;
        }
        for (name, program) in hooks(&mut programs) {
            let pin = pins::link(&self.pins, name);
            let fd = program.fd().map_err(SteeringError::load)?.as_fd();
            if !pins::swap(&pin, id, &fd)? {
                attach_program(program, cgroup)?
                    .pin(&pin)
                    .map_err(SteeringError::load)?;
                begun = true;
            }
        }
        pins::retire_others(&self.pins)?;
        Ok(begun)
    }
}

/// The programs that are attached to a cgroup.
fn hooks(programs: &mut Object) -> impl Iterator<Item = (&str, &mut Program)> {
    let all = programs.programs_mut();
    all.filter(|(name, _)| !cookie::PROGRAMS.contains(name))
}

pub(super) fn load_program(program: &mut Program) -> Result<(), SteeringError> {
    match program {
        Program::CgroupSockAddr(program) => program.load(),
        Program::CgroupSock(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        other => {
            return Err(SteeringError::load(format!(
                "unexpected program type {:?}",
                other.prog_type()
            )));
        }
    }
    .map_err(SteeringError::load)
}

/// Attaches by bpf_link with flags 0: other modes are EINVAL for links.
fn attach_program(program: &mut Program, cgroup: &Cgroup) -> Result<FdLink, SteeringError> {
    /// The types of programs have nothing in common but the names of their methods.
    macro_rules! attach {
        ($program:ident $(, $kind:expr)?) => {
            $program
                .attach(cgroup.directory() $(, $kind)?, CgroupAttachMode::Single)
                .and_then(|id| $program.take_link(id))
                .map_err(SteeringError::load)?
                .try_into()
                .map_err(SteeringError::load)
        };
    }
    match program {
        Program::CgroupSockAddr(program) => attach!(program),
        Program::CgroupSock(program) => attach!(program),
        Program::CgroupSkb(program) => attach!(program, CgroupSkbAttachType::Egress),
        other => Err(SteeringError::load(format!(
            "unexpected program type {:?}",
            other.prog_type()
        ))),
    }
}
