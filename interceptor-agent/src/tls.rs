//! TLS on both sides: the CA, its leaves, the ClientHello, and the verified upstream client.

pub mod ca;
pub mod client_hello;
pub mod failure;
pub mod leaf;
pub mod upstream;

use tokio::{io::BufReader, net::TcpStream};

/// What one read takes from a socket below TLS. rustls by itself reads 4 KiB at a time, so that a usual request or
/// answer of 4 KiB would cost two system calls.
const READ: usize = 8 * 1024;

/// A socket that is read in pieces long enough for a usual request or answer. Writes go straight through.
pub fn buffered(socket: TcpStream) -> BufReader<TcpStream> {
    BufReader::with_capacity(READ, socket)
}
