//! Connections that are there and idle.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::session::Client;
use crate::load::{Done, Target};

/// Handshakes at once.
const AT_ONCE: usize = 64;

/// Puts `count` connections more into `held`.
pub async fn run(target: &Target, count: usize, held: &mut Vec<TcpStream>) -> Result<Done> {
    let client = Arc::new(Client::new(target)?);
    let started = Instant::now();
    let mut opening = JoinSet::new();
    for _ in 0..count {
        if opening.len() == AT_ONCE
            && let Some(opened) = opening.join_next().await
        {
            held.push(opened??);
        }
        let client = Arc::clone(&client);
        // What TLS keeps of a connection is of no use any more.
        opening.spawn(async move {
            let tls = client.tls(client.tcp().await?).await?;
            anyhow::Ok(tls.into_inner().0)
        });
    }
    while let Some(opened) = opening.join_next().await {
        held.push(opened??);
    }
    Ok(Done {
        count: count as u64,
        seconds: started.elapsed().as_secs_f64(),
        ..Done::default()
    })
}
