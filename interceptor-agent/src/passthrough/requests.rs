//! Plain HTTP that is no business of ours, one request after another: the next one on a connection may be for another host,
//! or ask for a tunnel, in which anything may follow.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use super::{Transit, broken, flow};
use crate::{
    http::framing::{Body, Chunks},
    opening::{self, Opening},
    refusal::Reason,
};

/// A request that must not go on, behind others that did.
pub struct Refused {
    /// Who asked.
    pub client: TcpStream,
    /// What was asked for.
    pub opening: Opening,
    /// Why not.
    pub reason: Reason,
    /// Whether the server has said something since the last request went on. Else its answer is still to come, and what is
    /// said to the client would be taken for that.
    pub answered: bool,
}

enum End {
    Socket(io::Error),
    Refused(Opening, Reason),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// What is known of a connection whose client has spoken.
pub struct Begun {
    /// What it said.
    pub opening: Opening,
    /// The same as bytes, of which none has gone on.
    pub read: Bytes,
    /// How long the head of a request may take once its first byte is there.
    pub patience: Duration,
}

/// Passes requests on, each once `decide` has nothing against it, and answers as they come, until both sides have closed;
/// what is neither a request nor asks for a tunnel is the last that is looked at. It ends like [`super::run`].
///
/// # Errors
/// Either side failed, or `stop` was first.
pub async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    begun: Begun,
    decide: impl FnMut(&Opening) -> Option<Reason>,
    stop: impl Future<Output = ()>,
) -> io::Result<Option<Refused>> {
    // As there.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let answered = AtomicBool::new(false);
    let ended = {
        let (asking, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let asking = Asking {
            client: asking,
            server: to_server,
            patience: begun.patience,
            answered: &answered,
        };
        let answers = async {
            let moved = || answered.store(true, Relaxed);
            Ok(flow(from_server.as_ref(), to_client.as_ref(), moved).await?)
        };
        let asking = asking.pass(to_client.as_ref(), begun.opening, begun.read, decide);
        tokio::select! {
            biased; // What came before an error goes on before it.
            ended = async { tokio::try_join!(asking, answers) } => ended.map(drop),
            error = broken(to_client.as_ref()) => Err(error.into()),
            error = broken(from_server.as_ref()) => Err(error.into()),
            () = stop => Err(io::Error::from(io::ErrorKind::Interrupted).into()),
        }
    };
    let refused = match ended {
        Ok(()) => None,
        Err(End::Socket(error)) => return Err(error),
        Err(End::Refused(opening, reason)) => Some((opening, reason)),
    };
    // What went on was whole.
    SockRef::from(&client).set_linger(None)?;
    SockRef::from(&server).set_linger(None)?;
    Ok(refused.map(|(opening, reason)| Refused {
        client,
        opening,
        reason,
        answered: answered.into_inner(),
    }))
}

/// The client's half of a connection.
struct Asking<'s> {
    client: ReadHalf<'s>,
    server: WriteHalf<'s>,
    patience: Duration,
    answered: &'s AtomicBool,
}

impl Asking<'_> {
    async fn pass(
        mut self,
        client: &TcpStream,
        mut opening: Opening,
        mut read: Bytes,
        mut decide: impl FnMut(&Opening) -> Option<Reason>,
    ) -> Result<(), End> {
        let mut is_last = false;
        loop {
            let rest = match opening {
                Opening::Http {
                    request: Some(request),
                    ..
                } => {
                    is_last = request.is_last;
                    let mut body = read.split_off(request.head);
                    self.server.write_all(&read).await?;
                    match request.body {
                        Body::Sized(length) => self.sized(client, &mut body, length).await?,
                        Body::Chunked => self.chunked(&mut body).await?,
                    }
                    body
                }
                Opening::Connect { length, .. } => {
                    let rest = read.split_off(length);
                    self.server.write_all(&read).await?;
                    rest
                }
                _ => {
                    self.server.write_all(&read).await?;
                    drop(read);
                    return Ok(flow(client, self.server.as_ref(), || ()).await?);
                }
            };
            self.answered.store(false, Relaxed);
            let next = self.behind_line_ends(client, rest).await?;
            if is_last && !next.is_empty() {
                return Err(End::Refused(Opening::Broken, Reason::BadOpening));
            }
            (opening, read) = opening::read(&mut self.client, next, self.patience).await?;
            if let Some(reason) = decide(&opening) {
                return Err(End::Refused(opening, reason));
            }
        }
    }

    /// Waits for what comes next, of which the first is in `read`; nothing where the client has closed. Line ends in front of it
    /// go on at once: old clients send them behind a request, and may say no more.
    async fn behind_line_ends(&mut self, client: &TcpStream, mut read: Bytes) -> io::Result<Bytes> {
        loop {
            let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let ends = read.iter().take_while(is_end).count();
            self.server.write_all(&read.split_to(ends)).await?;
            if !read.is_empty() {
                return Ok(read);
            }
            // As long as nothing is said there is no hurry, and nothing is held.
            client.peek(&mut [0]).await?;
            let mut buffer = BytesMut::with_capacity(2048);
            if self.client.read_buf(&mut buffer).await? == 0 {
                return Ok(Bytes::new());
            }
            read = buffer.freeze();
        }
    }

    /// A body of `length` bytes, of which the first are in `read`; what is behind it stays there.
    async fn sized(&mut self, client: &TcpStream, read: &mut Bytes, length: u64) -> io::Result<()> {
        let here = read
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        self.server.write_all(&read.split_to(here)).await?;
        let mut left = length - here as u64;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let take = || Transit::take(client, most);
            let Some(bytes) = client.async_io(Interest::READABLE, take).await? else {
                // Half a request: nothing comes after it.
                return Ok(());
            };
            left -= bytes.len() as u64;
            bytes.pour(self.server.as_ref()).await?;
        }
        Ok(())
    }

    /// A body in chunks, the same way.
    async fn chunked(&mut self, read: &mut Bytes) -> Result<(), End> {
        let mut chunks = Chunks::default();
        let mut buffer = BytesMut::from(std::mem::take(read));
        loop {
            let Ok(length) = chunks.advance(&buffer) else {
                return Err(End::Refused(Opening::Broken, Reason::BadOpening));
            };
            self.server.write_all(&buffer.split_to(length)).await?;
            if chunks.is_over() {
                *read = buffer.freeze();
                return Ok(());
            }
            buffer.reserve(16 * 1024);
            if self.client.read_buf(&mut buffer).await? == 0 {
                // As above. What is left of it is no whole line.
                self.server.write_all(&buffer).await?;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod readers;
#[cfg(test)]
mod tests;
