//! Sockets of the agent's own, exempt from steering before they connect.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;

use crate::steering::{Steering, netns::Netns};

/// Makes outbound connections that our own programs let pass.
#[derive(Clone)]
pub struct Dialer {
    steering: Arc<dyn Steering>,
    patience: Duration,
}

impl Dialer {
    /// `patience` bounds one TCP connect.
    pub fn new(steering: Arc<dyn Steering>, patience: Duration) -> Self {
        Self { steering, patience }
    }

    /// Connects from where the client stood.
    ///
    /// # Errors
    /// The socket could not be exempted, or the peer refused or did not answer in time.
    pub async fn dial(&self, netns: &Netns, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = netns.tcp_socket(address)?;
        let exempt = self.steering.exempt(socket.as_fd())?;
        let connected = tokio::time::timeout(self.patience, socket.connect(address)).await?;
        drop(exempt);
        let stream = connected.inspect_err(|error| {
            if is_unreachable(error) && has_no_route(netns, address) {
                self.steering.unreachable(netns, address.ip());
            }
        })?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable
    )
}

/// A host that does not answer, or ICMP, which anybody can forge, make a TCP connect fail alike. A UDP connect sends nothing,
/// and asks the routes alone.
fn has_no_route(netns: &Netns, address: SocketAddr) -> bool {
    let asked = netns.run(|| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        socket.connect(&address.into())
    });
    asked.is_err_and(|error| is_unreachable(&error))
}
