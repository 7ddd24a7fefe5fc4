//! Streams: when the first delta arrives, and how long each is on its way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::task::JoinSet;

use super::session::{Client, median, percentile};
use crate::load::{Done, Target};
use crate::provider::now;
use crate::texts;

#[derive(Default)]
struct Times {
    first: Vec<u64>,
    deltas: Vec<u64>,
}

pub async fn run(target: &Target, connections: usize, millis: u64) -> Result<Done> {
    let reader = Arc::new(Reader {
        client: Client::new(target)?,
        body: texts::request(4096)?,
        text: target.text.clone(),
    });
    let (started, length) = (Instant::now(), Duration::from_millis(millis));
    let mut readers = JoinSet::new();
    for _ in 0..connections {
        readers.spawn(Arc::clone(&reader).until(started + length));
    }
    let mut all = Times::default();
    while let Some(times) = readers.join_next().await {
        let times = times??;
        all.first.extend(times.first);
        all.deltas.extend(times.deltas);
    }
    Ok(Done {
        count: all.deltas.len() as u64,
        seconds: started.elapsed().as_secs_f64(),
        took: median(all.first) as f64,
        delta: percentile(&mut all.deltas, 50) as f64,
        delta_p99: percentile(&mut all.deltas, 99) as f64,
    })
}

struct Reader {
    client: Client,
    body: Bytes,
    text: String,
}

impl Reader {
    async fn until(self: Arc<Self>, end: Instant) -> Result<Times> {
        let mut sender = self.client.connect().await?;
        let mut times = Times::default();
        while Instant::now() < end {
            sender.ready().await?;
            let began = Instant::now();
            let request = self.client.request("text/event-stream", &self.body)?;
            let mut response = sender.send_request(request).await?.into_body();
            let (mut bytes, mut text, mut first) = (Vec::new(), String::new(), true);
            while let Some(frame) = response.frame().await {
                let Ok(data) = frame?.into_data() else {
                    continue;
                };
                let (arrived, after) = (now(), began.elapsed());
                bytes.extend_from_slice(&data);
                for event in whole_events(&mut bytes) {
                    let Some(said) = delta(&event)? else { continue };
                    if std::mem::take(&mut first) {
                        times.first.push(after.as_micros() as u64);
                    }
                    times.deltas.push(arrived.saturating_sub(said.sent));
                    text.push_str(&said.text);
                }
            }
            ensure!(
                text == self.text,
                "a stream said:\n{text}\nand not:\n{}",
                self.text
            );
        }
        Ok(times)
    }
}

struct Said {
    sent: u64,
    text: String,
}

/// Takes the events that are complete.
fn whole_events(bytes: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
        events.push(bytes.drain(..end + 2).collect());
    }
    events
}

fn delta(event: &[u8]) -> Result<Option<Said>> {
    let event = std::str::from_utf8(event)?;
    let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
        return Ok(None);
    };
    let data: Value = serde_json::from_str(data).context("an event is no JSON")?;
    Ok(data["delta"]["text"].as_str().map(|text| Said {
        sent: data["sent"].as_u64().unwrap_or_else(now),
        text: text.to_owned(),
    }))
}
