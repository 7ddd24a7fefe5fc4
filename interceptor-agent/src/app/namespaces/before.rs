//! Connections from before anything was steered are ended in every namespace that can be found, also where the agent can't
//! listen: refusing new ones there says nothing of those that are open.

use std::{collections::HashSet, fmt, io, net::SocketAddr, sync::Arc};

use super::Namespaces;
use crate::steering::{
    earlier::{self, Ended},
    netns::{self, Netns},
};

const NEXT_STEP: &str = "restart the programs that have connections to LLM hosts open";

impl Namespaces {
    /// Ends them wherever there is a process of the cgroup, or a mount keeps a namespace; in any other, once it is found.
    pub(in crate::app) fn end_earlier(&mut self) {
        let owed = self.ebpf.owed();
        // Asked first: what is learnt from here on, another call ends.
        let is_all_known = !self.app.resolves_more();
        self.end_found();
        let app = &self.app;
        let settled = owed.and_then(|owed| match is_all_known {
            true => self.ebpf.settle(owed, || !app.hands_over()),
            false => Ok(()),
        });
        if let Err(error) = settled {
            // The next agent looks again, and finds nothing.
            tracing::warn!(%error, "the kernel can't be told that connections from before were ended");
        }
    }

    fn end_found(&mut self) {
        self.swept = Some(HashSet::new());
        let open = self.open.values().map(|open| Arc::clone(&open.netns));
        for netns in open.collect::<Vec<_>>() {
            self.sweep(&netns);
        }
        let mut found = netns::mounted();
        found.extend(netns::of_processes(&self.cgroup));
        found.retain(|inode, _| !self.open.contains_key(inode));
        for path in found.values() {
            match Netns::open(path) {
                Ok(Some(netns)) => self.sweep(&netns),
                // Others may be in it: the next look finds them.
                Ok(None) => {}
                Err(error) => unseen(path.display(), &error),
            }
        }
    }

    /// Ends them in one namespace, once.
    pub(super) fn sweep(&mut self, netns: &Netns) {
        let is_new = |swept: &mut HashSet<u64>| swept.insert(netns.inode());
        if !self.swept.as_mut().is_some_and(is_new) {
            return;
        }
        let Some(scope) = self.ebpf.scope() else {
            return;
        };
        let steered = |to: SocketAddr| scope.steers(to) && self.ebpf.knows(to.ip());
        let predecessor = self.app.predecessor();
        match netns.run(|| earlier::end(steered, &self.cgroup, predecessor)) {
            Ok(Ended { ended: 0, left: 0 }) => {}
            Ok(Ended { ended, left: 0 }) => {
                tracing::info!(ended, "connections from before were ended")
            }
            Ok(Ended { ended, left }) => tracing::warn!(
                ended,
                left,
                next_step = NEXT_STEP,
                "connections from before go on unmasked"
            ),
            Err(error) => unseen(format_args!("net:[{}]", netns.inode()), &error),
        }
    }
}

fn unseen(netns: impl fmt::Display, error: &io::Error) {
    tracing::warn!(
        %netns,
        %error,
        next_step = NEXT_STEP,
        "connections from before can't be found, and go on unmasked"
    );
}
