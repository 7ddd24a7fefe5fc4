//! One connection to the analyzer, one text at a time; and reading what it says.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::AnalyzerError;
use crate::{
    config::{self, Place},
    mask::request::Named,
};

/// Most bytes of an answer.
const ANSWER: usize = 8 << 20;

pub(super) struct Connection(SendRequest<Full<Bytes>>);

pub(super) async fn connect(place: &Place) -> Result<Connection, AnalyzerError> {
    let opened = match place {
        Place::Tcp { address, .. } => match TcpStream::connect(address).await {
            Ok(stream) => open(stream).await,
            Err(error) => Err(error),
        },
        Place::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => open(stream).await,
            Err(error) => Err(error),
        },
    };
    opened.map_err(|_| AnalyzerError::Unreachable)
}

async fn open(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> io::Result<Connection> {
    let opened = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(io::Error::other)?;
    // It ends with its sender.
    tokio::spawn(connection);
    Ok(Connection(sender))
}

impl Connection {
    pub(super) async fn post(
        &mut self,
        config: &config::Analyzer,
        text: &str,
    ) -> Result<Bytes, AnalyzerError> {
        let entities: Vec<_> = config.entities.iter().map(|entity| entity.label).collect();
        let body = json!({
            "text": text,
            "language": config.language,
            "entities": entities,
            "score_threshold": config.score(),
        });
        let request = Request::post(config.at.path())
            .header(header::HOST, config.at.host())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))
            .map_err(|_| AnalyzerError::Unreachable)?;
        let broken = |_| AnalyzerError::Unreachable;
        self.0.ready().await.map_err(broken)?;
        let response = self.0.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(AnalyzerError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        body.map(|body| body.to_bytes())
            .map_err(|_| AnalyzerError::Unreachable)
    }
}

/// The places that an answer names, as bytes of the text. What was not asked for, and what is too unsure, is left out.
pub(super) fn read(
    config: &config::Analyzer,
    text: &str,
    answer: &[u8],
) -> Result<Vec<Named>, AnalyzerError> {
    #[derive(Deserialize)]
    struct Item {
        entity_type: String,
        start: usize,
        end: usize,
        score: f32,
    }
    let items: Vec<Item> = serde_json::from_slice(answer).map_err(|_| AnalyzerError::Nonsense)?;
    let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    places.push(text.len());
    let mut named = Vec::new();
    for item in items {
        let (Some(&start), Some(&end)) = (places.get(item.start), places.get(item.end)) else {
            return Err(AnalyzerError::Nonsense);
        };
        if start >= end || !(0.0..=1.0).contains(&item.score) {
            return Err(AnalyzerError::Nonsense);
        }
        let mut entities = config.entities.iter();
        let class = entities.find(|entity| entity.label == item.entity_type);
        if let Some(class) = class.filter(|_| item.score >= config.score()) {
            named.push(Named {
                class: class.name,
                range: start..end,
                confidence: item.score,
            });
        }
    }
    Ok(named)
}
