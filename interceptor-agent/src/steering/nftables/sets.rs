//! Changes of our sets' elements while the agent runs, without a process of `nft` each time.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    netlink::{Attributes, transaction},
    ruleset,
};
use crate::steering::netlink::Netlink;

const NFPROTO_INET: u8 = 1;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_DATA_VALUE: u16 = 1;

/// What happens to an element.
#[derive(Clone, Copy)]
pub(super) enum Change {
    /// It is there, for so long. One that is there already keeps the time that it had.
    Add(Duration),
    /// It is gone. One that isn't there is an error.
    Remove,
}

/// The sets of our table.
pub(super) struct Sets(Mutex<Netlink>);

impl Sets {
    /// Those of the caller's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(Mutex::new(Netlink::open(libc::NETLINK_NETFILTER)?)))
    }

    /// Makes changes of one element, in one transaction.
    ///
    /// # Errors
    /// None was made.
    pub(super) fn change(&self, set: &str, key: &[u8], changes: &[Change]) -> io::Result<()> {
        let commands: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Add(_) => (libc::NFT_MSG_NEWSETELEM, element(set, key, *change)),
                Change::Remove => (libc::NFT_MSG_DELSETELEM, element(set, key, *change)),
            })
            .collect();
        let mut netlink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        netlink.ask(|sequence| transaction(sequence, NFPROTO_INET, &commands))
    }
}

fn element(set: &str, key: &[u8], change: Change) -> Attributes {
    Attributes::default()
        .text(NFTA_SET_ELEM_LIST_TABLE, ruleset::TABLE)
        .text(NFTA_SET_ELEM_LIST_SET, set)
        .nested(NFTA_SET_ELEM_LIST_ELEMENTS, |elements| {
            elements.nested(NFTA_LIST_ELEM, |element| {
                let element =
                    element.nested(NFTA_SET_ELEM_KEY, |data| data.bytes(NFTA_DATA_VALUE, key));
                match change {
                    Change::Add(lifetime) => {
                        let milliseconds = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
                        element.bytes(NFTA_SET_ELEM_TIMEOUT, &milliseconds.to_be_bytes())
                    }
                    Change::Remove => element,
                }
            })
        })
}
