//! socket, connect, close.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use super::session::median;
use crate::load::Done;

pub fn run(address: SocketAddr, count: usize) -> Result<Done> {
    let to = address.into();
    let mut times = Vec::with_capacity(count);
    let started = Instant::now();
    for _ in 0..count {
        let began = Instant::now();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        match socket.connect(&to) {
            // The agent resets what was not steered to it, now and then before we are awake again.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            connected => connected?,
        }
        // A reset leaves no TIME_WAIT behind, which would use up the ports.
        socket.set_linger(Some(Duration::ZERO))?;
        drop(socket);
        times.push(began.elapsed().as_nanos() as u64);
    }
    Ok(Done {
        count: count as u64,
        seconds: started.elapsed().as_secs_f64(),
        took: median(times) as f64 / 1000.0,
        ..Done::default()
    })
}
