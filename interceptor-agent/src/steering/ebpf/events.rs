//! What the programs refused, read from their ring buffer.

use std::io;

use aya::maps::{MapData, RingBuf};
use interceptor_common::{Event, Reason};

use crate::{original_dst::Steered, sys};

/// A call that a program refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Where to, and whose it was.
    pub call: Steered,
}

/// The stream of refused calls.
pub struct Events(RingBuf<MapData>);

impl Events {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring)
    }

    /// Gives each refused call to `sink`, for ever.
    ///
    /// # Errors
    /// The ring buffer's descriptor can't be polled.
    pub async fn each(self, mut sink: impl FnMut(Refused)) -> io::Result<()> {
        let mut ring = sys::poll(self.0)?;
        loop {
            let mut ready = ring.readable_mut().await?;
            while let Some(item) = ready.get_inner_mut().next() {
                if let Some(refused) = parse(&item) {
                    sink(refused);
                }
            }
            ready.clear_ready();
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Refused> {
    let event: Event = sys::read_pod(bytes)?;
    Some(Refused {
        reason: Reason::from_number(event.reason)?,
        call: event.original.into(),
    })
}
