//! One big answer, as fast as it comes.

use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use tokio::io::BufReader;

use super::session::Client;
use crate::load::{Done, Target};

pub async fn run(target: &Target, bytes: u64) -> Result<Done> {
    let client = Client::new(target)?;
    // rustls reads 4 KiB at a time, and the reading would be what is measured.
    let tcp = BufReader::with_capacity(64 << 10, client.tcp().await?);
    let mut sender = client.http(tcp).await?;
    let request = Request::get(format!("/{bytes}"))
        .header(header::HOST, &target.host)
        .body(Full::new(Bytes::new()))?;
    let started = Instant::now();
    let mut body = sender.send_request(request).await?.into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(count == bytes, "{count} of {bytes} bytes came");
    Ok(Done {
        count,
        seconds: started.elapsed().as_secs_f64(),
        ..Done::default()
    })
}
