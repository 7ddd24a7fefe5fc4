//! The programs stay attached: a cgroup that was removed and made anew has none, and nobody else would notice.

use std::{sync::atomic::Ordering, time::Duration};

use super::Namespaces;
use crate::steering::SteeringError;

/// How often it is looked whether every program is where it belongs: for so long, what is steered may go direct. And how long
/// after a reload connections go on at most that it would have steered.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Namespaces {
    /// Attaches what is not attached any more, and ends the connections that went past the agent meanwhile.
    pub(super) fn keep_attached(&mut self) {
        match self.try_keep_attached() {
            Ok(()) => self.unattached = None,
            Err(error) => {
                let error = error.to_string();
                if self.unattached.as_ref() != Some(&error) {
                    tracing::error!(
                        error,
                        next_step = "mend that: the agent looks every second, and attaches as soon as it can",
                        "not everything is steered: programs are not attached any more"
                    );
                    self.unattached = Some(error);
                }
            }
        }
        let attached = self.unattached.is_none();
        self.app.attached.store(attached, Ordering::Relaxed);
    }

    fn try_keep_attached(&mut self) -> Result<(), SteeringError> {
        let cgroup = self.cgroup.again()?;
        if self.ebpf.is_attached(&cgroup)? {
            if self.app.steers_more.swap(false, Ordering::Relaxed) {
                self.end_earlier();
            }
            return Ok(());
        }
        self.ebpf.owe()?;
        self.ebpf.attach(&cgroup)?;
        self.cgroup = cgroup;
        tracing::warn!(
            cgroup = %self.cgroup.path().display(),
            "programs were not attached any more, and are again: their pins were removed, or the cgroup was and is made anew"
        );
        self.look();
        self.end_earlier();
        Ok(())
    }
}
