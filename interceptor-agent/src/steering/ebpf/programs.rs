//! Programs of every type that there is here, loaded and attached.

use aya::programs::{CgroupAttachMode, CgroupSkbAttachType, Program, links::FdLink};

use crate::steering::{SteeringError, cgroup::Cgroup};

/// Has the kernel look at a program and take it.
pub(super) fn load(program: &mut Program) -> Result<(), SteeringError> {
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
pub(super) fn attach(program: &mut Program, cgroup: &Cgroup) -> Result<FdLink, SteeringError> {
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
        Program::CgroupSkb(program) => {
            let kind = *program.expected_attach_type();
            attach!(program, kind.unwrap_or(CgroupSkbAttachType::Egress))
        }
        other => Err(SteeringError::load(format!(
            "unexpected program type {:?}",
            other.prog_type()
        ))),
    }
}
