//! Sockets of the agent's own, exempt from steering before they connect.

use std::{io, net::SocketAddr, os::fd::AsFd as _, sync::Arc, time::Duration};

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
        self.steering.exempt(socket.as_fd())?;
        let stream = tokio::time::timeout(self.patience, socket.connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
