//! Which paths a provider has and which strings of a body are text. Pure: knows no HTTP client and no TLS.

pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod grpc;
pub mod mcp;
pub mod ollama;
pub mod openai;
pub mod response;
pub(crate) mod route;
pub mod schema;
mod state;
pub mod vertex;

use std::{fmt, str::FromStr};

pub use openai::{
    files::{PIECE, batched},
    realtime::has_speech,
};
use response::Answer;
pub use route::{BadPath, Extra, Route, route};
use schema::Schema;
pub use state::{Keeps, Mark, State};

/// The API that a host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic's API.
    Anthropic,
    /// OpenAI's API, and the many hosts that copy it.
    OpenAi,
    /// OpenAI's API as Azure serves it.
    Azure,
    /// Google's Gemini API.
    Gemini,
    /// Google's Vertex AI: Gemini, and other makers' models in their own words.
    Vertex,
    /// Amazon Bedrock's runtime.
    Bedrock,
    /// Cohere's API.
    Cohere,
    /// Ollama's API.
    Ollama,
    /// Tools over the Model Context Protocol's streamable HTTP.
    Mcp,
    /// An LLM host without an adapter: every path is unknown.
    None,
}

/// A protocol's name, where its tables stand in paths, and what takes a conversation.
type Row = (
    Protocol,
    &'static str,
    &'static [route::Mount],
    &'static Endpoint,
);

const ROWS: &[Row] = &[
    (
        Protocol::Anthropic,
        "anthropic",
        anthropic::MOUNTS,
        &anthropic::MESSAGES,
    ),
    (Protocol::OpenAi, "openai", openai::MOUNTS, &openai::CHAT),
    (Protocol::Azure, "azure", azure::MOUNTS, &openai::CHAT),
    (
        Protocol::Gemini,
        "gemini",
        gemini::MOUNTS,
        &gemini::GENERATE,
    ),
    (
        Protocol::Vertex,
        "vertex",
        vertex::MOUNTS,
        &gemini::GENERATE,
    ),
    (
        Protocol::Bedrock,
        "bedrock",
        bedrock::MOUNTS,
        &bedrock::CONVERSE,
    ),
    (Protocol::Cohere, "cohere", cohere::MOUNTS, &cohere::CHAT),
    (Protocol::Ollama, "ollama", ollama::MOUNTS, &ollama::CHAT),
    (Protocol::Mcp, "mcp", mcp::MOUNTS, &mcp::MESSAGE),
    (Protocol::None, "none", &[], &GENERIC),
];

impl Protocol {
    /// Every protocol, in the order in which help texts list them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }

    /// The name in configs and on the command line.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The endpoint that takes a conversation, for bodies that come without a path.
    pub fn chat(self) -> &'static Endpoint {
        self.row().3
    }

    /// The parameter of a query in which a request may carry its credential for the provider.
    pub fn credential(self) -> Option<&'static str> {
        matches!(self, Self::Gemini | Self::Vertex).then_some("key")
    }

    fn mounts(self) -> &'static [route::Mount] {
        self.row().2
    }

    fn row(self) -> &'static Row {
        let row = ROWS.iter().find(|row| row.0 == self);
        // A test asks each protocol for its name.
        row.unwrap_or(&ROWS[ROWS.len() - 1])
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A protocol name that doesn't exist.
#[derive(Debug, thiserror::Error)]
#[error("unknown protocol {0:?}: use one of {names}", names = names())]
pub struct UnknownProtocol(String);

fn names() -> String {
    ROWS.iter().map(|row| row.1).collect::<Vec<_>>().join(", ")
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::all().find(|protocol| protocol.name() == name);
        found.ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

/// A kind of request body and of the answer to it: a row of its provider's tables.
pub struct Endpoint {
    /// Its name in the audit and in configs; no other endpoint has it.
    pub name: &'static str,
    /// Where the text of the request body stands.
    pub request: &'static Schema,
    /// Where the text of the answer stands.
    pub answer: &'static Answer,
}

/// Any JSON: every string is text.
pub static GENERIC: Endpoint = Endpoint {
    name: "generic",
    request: &schema::GENERIC,
    answer: &response::GENERIC,
};

impl Endpoint {
    /// One whose answers come whole.
    const fn whole(name: &'static str, request: &'static Schema, answer: &'static Answer) -> Self {
        Self {
            name,
            request,
            answer,
        }
    }

    /// Every endpoint that a path leads to, and [`GENERIC`], each once.
    pub fn all() -> Vec<&'static Self> {
        let mut all = vec![&GENERIC];
        for endpoint in Protocol::all().flat_map(route::endpoints) {
            if !all.contains(&endpoint) {
                all.push(endpoint);
            }
        }
        all
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Endpoint {}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for protocol in Protocol::all() {
            assert_eq!(protocol.row().0, protocol);
            assert_eq!(protocol.name().parse::<Protocol>().unwrap(), protocol);
        }
        let error = "gpt".parse::<Protocol>().unwrap_err().to_string();
        assert!(
            Protocol::all().all(|protocol| error.contains(protocol.name())),
            "{error}"
        );
    }

    #[test]
    fn an_endpoints_name_is_its_own() {
        let mut seen: Vec<&'static Endpoint> = vec![&GENERIC];
        for endpoint in Protocol::all().flat_map(route::endpoints) {
            let namesake = seen.iter().find(|other| **other == endpoint);
            assert!(
                namesake.is_none_or(|other| std::ptr::eq(*other, endpoint)),
                "{endpoint:?}"
            );
            seen.push(endpoint);
        }
    }
}
