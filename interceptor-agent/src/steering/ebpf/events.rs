//! What the programs have to say, read from their ring buffers.

use std::{io, marker::PhantomData};

use aya::maps::{MapData, RingBuf};
use interceptor_common::{Answer, Arrival, Event, Miss, Reason};

use crate::{original_dst::Steered, sys};

/// Items that are read before others on the same thread have their turn.
const AT_ONCE: usize = 32;

/// A call that a program refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Where to, and whose it was.
    pub call: Steered,
}

impl Refused {
    /// None where this agent does not know the reason.
    pub fn new(event: Event) -> Option<Self> {
        Some(Self {
            reason: Reason::from_number(event.reason)?,
            call: event.original.into(),
        })
    }
}

/// The ring buffers.
pub struct Events {
    /// Calls refused.
    pub refused: Ring<Event>,
    /// Network namespaces in which nobody listens yet.
    pub arrivals: Ring<Arrival>,
    /// Streams to addresses that were not known, caught by their first bytes.
    pub misses: Ring<Miss>,
    /// DNS answers.
    pub answers: Ring<Answer>,
}

/// One ring buffer of equal items.
pub struct Ring<T>(RingBuf<MapData>, PhantomData<T>);

impl<T: aya::Pod> Ring<T> {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self(ring, PhantomData)
    }

    /// Gives each item to `sink`, for ever. Whoever fills the buffer without end keeps nobody else on this thread waiting.
    ///
    /// # Errors
    /// The ring buffer's descriptor can't be polled.
    pub async fn each(self, mut sink: impl FnMut(T)) -> io::Result<()> {
        let mut ring = sys::poll(self.0)?;
        loop {
            let mut ready = ring.readable_mut().await?;
            for _ in 0..AT_ONCE {
                let Some(item) = ready.get_inner_mut().next() else {
                    ready.clear_ready();
                    break;
                };
                if let Some(item) = sys::read_pod(&item) {
                    sink(item);
                }
            }
            tokio::task::yield_now().await;
        }
    }
}
