//! Requests one after another, on connections that are kept or made anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use tokio::task::JoinSet;

use super::session::{Client, median};
use crate::load::{Done, Target};
use crate::texts;

pub async fn run(
    target: &Target,
    length: usize,
    connections: usize,
    fresh: bool,
    millis: u64,
) -> Result<Done> {
    let asker = Arc::new(Asker {
        client: Client::new(target)?,
        body: texts::request(length)?,
        answer: texts::message(&target.text).into(),
        fresh,
    });
    // Whatever is set up once is not measured: connections, leaves, pools.
    let mut kept = Vec::new();
    for _ in 0..connections {
        let mut sender = asker.client.connect().await?;
        asker.ask(&mut sender).await?;
        kept.push(sender);
    }
    let (started, length) = (Instant::now(), Duration::from_millis(millis));
    let mut askers = JoinSet::new();
    for sender in kept {
        askers.spawn(Arc::clone(&asker).until(started + length, sender));
    }
    let mut times = Vec::new();
    while let Some(asked) = askers.join_next().await {
        times.extend(asked??);
    }
    Ok(Done {
        count: times.len() as u64,
        seconds: started.elapsed().as_secs_f64(),
        took: median(times) as f64 / 1000.0,
        ..Done::default()
    })
}

struct Asker {
    client: Client,
    body: Bytes,
    answer: Bytes,
    fresh: bool,
}

impl Asker {
    /// The time of each request, in nanoseconds.
    async fn until(
        self: Arc<Self>,
        end: Instant,
        mut sender: SendRequest<Full<Bytes>>,
    ) -> Result<Vec<u64>> {
        let mut times = Vec::new();
        loop {
            let began = Instant::now();
            if began > end {
                return Ok(times);
            }
            if self.fresh {
                sender = self.client.connect().await?;
            }
            self.ask(&mut sender).await?;
            times.push(began.elapsed().as_nanos() as u64);
        }
    }

    async fn ask(&self, sender: &mut SendRequest<Full<Bytes>>) -> Result<()> {
        sender.ready().await?;
        let request = self.client.request("application/json", &self.body)?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            body == self.answer,
            "the answer ({status}) is not what was expected:\n{}\nbut:\n{}",
            String::from_utf8_lossy(&self.answer),
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }
}
