//! Connections that are no business of ours: what was read is replayed, then the kernel moves bytes both ways. None of
//! them is copied to us, and a connection that is idle holds nothing but its two sockets.

pub mod requests;
mod transit;

use std::{
    future::Future,
    io::{self, ErrorKind},
    net::Shutdown,
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::TcpStream,
    task::coop,
};

use crate::sys;

use self::transit::Transit;

/// At 1 GB/s, a server that is nearer has less than [`NEAR_BUFFER`] on its way.
const NEAR: Duration = Duration::from_micros(250);

/// Bytes, which the kernel doubles (socket(7)). Left alone it lets a near server fill all of `tcp_rmem`, up to 32 MiB: it
/// takes what we move at once for what comes in one round trip.
const NEAR_BUFFER: usize = 256 * 1024;

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
    if sys::round_trip(&server)? < NEAR {
        SockRef::from(&server).set_recv_buffer_size(NEAR_BUFFER)?;
    }
    let passing = async {
        server.write_all(&opening).await?;
        drop(opening);
        tokio::select! {
            biased; // What came before an error goes on before it.
            ended = async {
                tokio::try_join!(flow(&client, &server, || ()), flow(&server, &client, || ()))
            } => ended.map(drop),
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

/// One direction, to its end; `moved` is told of all that went on.
async fn flow(from: &TcpStream, to: &TcpStream, moved: impl Fn()) -> io::Result<()> {
    while let Some(bytes) = from
        .async_io(Interest::READABLE, || Transit::take(from, usize::MAX))
        .await?
    {
        bytes.pour(to).await?;
        moved();
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

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinHandle};

    use super::*;

    /// Both ends of a connection.
    pub(super) async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(near, listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    /// A client and a server, and what passes between them on this thread.
    async fn passing(
        opening: &'static [u8],
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> (TcpStream, TcpStream, JoinHandle<io::Result<()>>) {
        let ((client, ours), (server, theirs)) = tokio::join!(connection(), connection());
        let run = run(ours, Bytes::from_static(opening), theirs, stop);
        (client, server, tokio::spawn(run))
    }

    #[tokio::test]
    async fn the_opening_goes_first_and_each_half_ends_by_itself() {
        let (mut client, mut server, passed) = passing(b"he", pending()).await;
        client.write_all(b"llo").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello");
        assert!(!passed.is_finished());
        server.write_all(b"bye").await.unwrap();
        drop(server);
        heard.clear();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "bye");
        passed.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_near_server_fills_no_more_than_its_buffer() {
        let (_server, theirs) = loop {
            let (server, theirs) = connection().await;
            // On a busy machine it may have been preempted.
            if sys::round_trip(&theirs).unwrap() < NEAR {
                break (server, theirs.into_std().unwrap());
            }
        };
        let same = theirs.try_clone().unwrap();
        let buffer = || SockRef::from(&same).recv_buffer_size().unwrap();
        let before = buffer();
        let (client, ours) = connection().await;
        drop(client);
        let theirs = TcpStream::from_std(theirs).unwrap();
        let stop = tokio::time::sleep(Duration::from_millis(1));
        let _ended = run(ours, Bytes::new(), theirs, stop).await;
        assert!(
            buffer() != before && buffer() <= 2 * NEAR_BUFFER,
            "{before}, {}",
            buffer()
        );
    }

    #[tokio::test]
    async fn a_pipe_with_bytes_in_it_is_never_used_again() {
        let (told, stop) = tokio::sync::oneshot::channel::<()>();
        let stop = async { stop.await.unwrap_or_default() };
        let (client, server, passed) = passing(b"", stop).await;
        // Until sockets and pipe are full: the server reads nothing.
        loop {
            let writing = tokio::time::timeout(Duration::from_millis(300), client.writable());
            let Ok(writable) = writing.await else { break };
            writable.unwrap();
            // What is not taken wakes us again, or doesn't.
            let _ = client.try_write(&[1; 1 << 16]);
        }
        told.send(()).unwrap();
        assert_eq!(
            passed.await.unwrap().unwrap_err().kind(),
            ErrorKind::Interrupted
        );
        drop((client, server));

        let (mut client, mut server, _passed) = passing(b"", pending()).await;
        client.write_all(&[2; 1000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [2; 1000]);
    }
}
