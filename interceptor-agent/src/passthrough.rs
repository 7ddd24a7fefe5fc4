//! Connections that are no business of ours: what was read is replayed, then bytes are copied both ways.

use std::io;

use bytes::Bytes;
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::TcpStream,
};

/// Big enough that a download costs few system calls, small enough for thousands of idle connections.
const BUFFER: usize = 16 * 1024;

/// Copies until both sides have closed. A half-close of one side is passed on to the other.
///
/// # Errors
/// Either side failed; both are closed.
pub async fn run(mut client: TcpStream, opening: Bytes, mut server: TcpStream) -> io::Result<()> {
    server.write_all(&opening).await?;
    drop(opening);
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER)
        .await
        .map(drop)
}
