//! Connections that are no business of ours: what was read is replayed, then the kernel moves bytes both ways. None of
//! them is copied to us, and a connection that is idle holds nothing but its two sockets.

mod transit;

use std::{
    future::Future,
    io::{self, ErrorKind},
    net::Shutdown,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::TcpStream,
    task::coop,
};

use transit::Transit;

/// Passes bytes on until both sides have closed; a half-close of one side is one to the other. Every other end is a
/// reset of both, so that nobody takes a part for the whole: an error of either side, `stop`, the death of the agent.
///
/// # Errors
/// Either side failed, or `stop` was first.
pub async fn run(
    client: TcpStream,
    opening: Bytes,
    mut server: TcpStream,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // A socket that is closed with no time to linger is reset. The kernel does so for a process that dies, too.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let passing = async {
        server.write_all(&opening).await?;
        drop(opening);
        tokio::select! {
            biased; // What came before an error goes on before it.
            ended = async { tokio::try_join!(flow(&client, &server), flow(&server, &client)) } => ended.map(drop),
            error = broken(&client) => Err(error),
            error = broken(&server) => Err(error),
        }
    };
    tokio::select! {
        ended = passing => ended?,
        () = stop => return Err(ErrorKind::Interrupted.into()),
    }
    SockRef::from(&client).set_linger(None)?;
    SockRef::from(&server).set_linger(None)
}

/// One direction, to its end.
async fn flow(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    while let Some(bytes) = from
        .async_io(Interest::READABLE, || Transit::take(from))
        .await?
    {
        bytes.pour(to).await?;
    }
    SockRef::from(to).shutdown(Shutdown::Write)
}

/// Resolves once a side is reset, also while nothing is read from it or written to it.
async fn broken(side: &TcpStream) -> io::Error {
    let ready = side.ready(Interest::ERROR).await;
    // A flow that has used up its turn may have more to pass on.
    coop::consume_budget().await;
    ready
        .and_then(|_| side.take_error())
        .unwrap_or_else(Some)
        .unwrap_or_else(|| ErrorKind::ConnectionReset.into())
}
