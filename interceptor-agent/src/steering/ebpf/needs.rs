//! What the programs need of a kernel: Linux 5.10 has all of it.

use aya::{
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported},
};

use crate::steering::SteeringError;

const NEEDS: [(ProgramType, BpfHelper, &str); 5] = [
    (
        ProgramType::CgroupSockAddr,
        BpfHelper::BPF_FUNC_get_netns_cookie,
        "network namespace cookies in connect",
    ),
    (
        ProgramType::CgroupSock,
        BpfHelper::BPF_FUNC_get_netns_cookie,
        "network namespace cookies when a socket is made",
    ),
    (
        ProgramType::CgroupSockAddr,
        BpfHelper::BPF_FUNC_sk_storage_get,
        "socket storage in connect",
    ),
    (
        ProgramType::CgroupSkb,
        BpfHelper::BPF_FUNC_sk_storage_get,
        "socket storage in cgroup_skb",
    ),
    (
        ProgramType::CgroupSockAddr,
        BpfHelper::BPF_FUNC_ringbuf_reserve,
        "BPF ring buffers",
    ),
];

/// Names the first thing that this kernel has not got.
pub(super) fn check() -> Result<(), SteeringError> {
    match missing(is_helper_supported).map_err(SteeringError::load)? {
        Some(what) => Err(SteeringError::Missing(what)),
        None => Ok(()),
    }
}

fn missing(
    has: impl Fn(ProgramType, BpfHelper) -> Result<bool, ProgramError>,
) -> Result<Option<&'static str>, ProgramError> {
    for (program, helper, what) in NEEDS {
        if !has(program, helper)? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_out() {
        assert_eq!(missing(|_, _| Ok(true)).unwrap(), None);
        let old = missing(|program, helper| {
            Ok(program != ProgramType::CgroupSkb || helper != BpfHelper::BPF_FUNC_sk_storage_get)
        });
        let what = old.unwrap().unwrap();
        assert_eq!(what, "socket storage in cgroup_skb");
        let said = SteeringError::Missing(what).to_string();
        assert!(
            said.contains(what) && said.contains("5.10") && said.contains("nftables"),
            "{said}"
        );
    }
}
