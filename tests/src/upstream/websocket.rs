//! The stub's realtime API: events of a session, each written down as a request of the method `MESSAGE`, and answers
//! that give the user's text back, in frames of two parts.

use std::convert::Infallible;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::deltas;
use super::record::{Record, Seen};

pub(super) const PATH: &str = "/v1/realtime";

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Agrees to a handshake, and serves its session beside.
pub(super) fn accept(
    upgrade: OnUpgrade,
    seen: Seen,
    record: Record,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let key = seen.headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
    let salted = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes()));
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            // A client may go away in the middle; what came before is recorded.
            let _ = Session::new(stream, seen, record).serve().await;
        }
    });
    let mut response = Response::new(UnsyncBoxBody::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
    ] {
        headers.extend(value.parse().map(|value| (name, value)));
    }
    response
}

struct Session {
    stream: TokioIo<Upgraded>,
    /// The handshake.
    seen: Seen,
    record: Record,
    text: String,
}

impl Session {
    fn new(stream: Upgraded, seen: Seen, record: Record) -> Self {
        Self {
            stream: TokioIo::new(stream),
            seen,
            record,
            text: String::new(),
        }
    }

    async fn serve(mut self) -> Result<()> {
        self.event(&json!({ "type": "session.created", "session": { "id": "sess_stub" } }))
            .await?;
        let mut held = Vec::new();
        loop {
            let (first, payload) = self.frame().await?;
            self.note(&payload);
            match first & 15 {
                PING => self.write(0x80 | PONG, &payload).await?,
                PONG => {}
                CLOSE => return self.write(0x80 | CLOSE, &payload).await,
                _ => {
                    held.extend_from_slice(&payload);
                    if first & 0x80 != 0 {
                        let event = serde_json::from_slice(&held)?;
                        held.clear();
                        self.answer(&event).await?;
                    }
                }
            }
        }
    }

    async fn answer(&mut self, event: &Value) -> Result<()> {
        match event["type"].as_str().unwrap_or_default() {
            "session.update" => {
                self.event(&json!({ "type": "session.updated", "session": event["session"] }))
                    .await
            }
            "conversation.item.create" => {
                let text = event.pointer("/item/content/0/text");
                self.text = text.and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok(())
            }
            "response.create" => self.respond().await,
            "input_audio_buffer.append" => {
                self.event(&json!({ "type": "input_audio_buffer.speech_started" }))
                    .await
            }
            other => bail!("no such event: {other}"),
        }
    }

    async fn respond(&mut self) -> Result<()> {
        let said = format!("You said: {}", self.text);
        let about = |kind: &str, key: &str, text: &str| {
            let mut event = json!({
                "type": kind,
                "event_id": "event_stub",
                "item_id": "item_stub",
                "response_id": "resp_stub",
                "output_index": 0,
                "content_index": 0,
            });
            event[key] = text.into();
            event
        };
        for piece in deltas(&said) {
            self.event(&about("response.output_text.delta", "delta", &piece))
                .await?;
        }
        self.event(&about("response.output_text.done", "text", &said))
            .await?;
        let content = json!([{ "type": "output_text", "text": said }]);
        let output = json!([{ "type": "message", "role": "assistant", "content": content }]);
        let response = json!({ "id": "resp_stub", "status": "completed", "output": output });
        self.event(&json!({ "type": "response.done", "response": response }))
            .await
    }

    fn note(&self, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        self.record.request(Seen {
            method: Method::from_bytes(b"MESSAGE").unwrap_or_default(),
            headers: HeaderMap::new(),
            body: payload.clone(),
            plain: payload,
            ..self.seen.clone()
        });
    }

    async fn event(&mut self, event: &Value) -> Result<()> {
        let text = event.to_string();
        let (first, rest) = text.as_bytes().split_at(text.len() / 2);
        self.write(TEXT, first).await?;
        self.write(0x80, rest).await
    }

    /// The first byte of a frame, and its payload without its mask.
    async fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let [first, second] = self.take().await?;
        let size = match second & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.take().await?)),
            127 => usize::try_from(u64::from_be_bytes(self.take().await?))?,
            short => short.into(),
        };
        if second & 0x80 == 0 {
            bail!("a client's frame without a mask");
        }
        let key: [u8; 4] = self.take().await?;
        let mut payload = vec![0; size];
        self.stream.read_exact(&mut payload).await?;
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        Ok((first, payload))
    }

    async fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream
            .read_exact(&mut bytes)
            .await
            .context("the end")?;
        Ok(bytes)
    }

    async fn write(&mut self, first: u8, payload: &[u8]) -> Result<()> {
        let size = u16::try_from(payload.len())?;
        let mut frame = vec![first];
        match size {
            0..126 => frame.push(size as u8),
            _ => {
                frame.push(126);
                frame.extend(size.to_be_bytes());
            }
        }
        frame.extend(payload);
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(())
    }
}
