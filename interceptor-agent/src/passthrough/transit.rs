//! Bytes between two sockets: in a pipe, which the kernel fills and empties without a copy. A thread keeps a few empty
//! pipes and makes more when needed.

use std::{
    cell::RefCell,
    io::{self, PipeReader, PipeWriter},
};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use crate::sys;

/// Empty pipes that a thread keeps.
const KEPT: usize = 16;

/// Most bytes that are taken at once: more would make a peer that reads nothing dearer, and others wait longer.
const PIPE: usize = 1024 * 1024;

/// The same where no pipe is to be had.
const BUFFER: usize = 16 * 1024;

/// What was taken from one socket and has to go to another.
pub(super) enum Transit {
    Pipe(Pipe, usize),
    /// This process may open no more descriptors: slower, but no end of what is open.
    Copy(Bytes),
}

impl Transit {
    /// Takes what a socket has, up to `most` bytes; `None` at its end.
    pub(super) fn take(from: &TcpStream, most: usize) -> io::Result<Option<Self>> {
        let Ok(pipe) = Pipe::empty() else {
            let mut buffer = vec![0; BUFFER.min(most)];
            let read = io::Read::read(&mut &*SockRef::from(from), &mut buffer)?;
            buffer.truncate(read);
            return Ok((read > 0).then(|| Self::Copy(buffer.into())));
        };
        let taken = sys::splice(from, &pipe.write, PIPE.min(most));
        match taken {
            Ok(bytes @ 1..) => Ok(Some(Self::Pipe(pipe, bytes))),
            nothing => {
                pipe.keep();
                nothing.map(|_| None)
            }
        }
    }

    /// Bytes that were taken.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pipe(_, bytes) => *bytes,
            Self::Copy(bytes) => bytes.len(),
        }
    }

    /// Waits until all of it is the other socket's.
    pub(super) async fn pour(self, to: &TcpStream) -> io::Result<()> {
        match self {
            Self::Pipe(pipe, mut bytes) => {
                while bytes > 0 {
                    bytes -= to
                        .async_io(Interest::WRITABLE, || sys::splice(&pipe.read, to, bytes))
                        .await?;
                }
                pipe.keep();
            }
            Self::Copy(mut bytes) => {
                while bytes.has_remaining() {
                    let sent = to.async_io(Interest::WRITABLE, || SockRef::from(to).send(&bytes));
                    bytes.advance(sent.await?);
                }
            }
        }
        Ok(())
    }
}

pub(super) struct Pipe {
    read: PipeReader,
    write: PipeWriter,
}

thread_local! {
    static EMPTY: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    fn empty() -> io::Result<Self> {
        if let Some(pipe) = EMPTY.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = io::pipe()?;
        // A user with many pipes gets no bigger ones; they will do.
        let _ = sys::set_pipe_size(&write, PIPE);
        Ok(Self { read, write })
    }

    /// Only an empty pipe may be kept: whatever is in it would go to the next connection.
    fn keep(self) {
        EMPTY.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                kept.push(self);
            }
        });
    }
}
