//! Which paths a provider has and which strings of a body are text. Pure: knows no HTTP client and no TLS.

pub mod anthropic;
pub mod openai;
pub mod response;
mod route;
pub mod schema;

use std::{fmt, str::FromStr};

pub use route::{Route, route};

pub use openai::batch::batched;

/// The API that a host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's API, and the many hosts that copy it.
    OpenAi,
    /// An LLM host without an adapter: every path is unknown.
    None,
}

impl Protocol {
    /// Every protocol, in the order in which help texts list them.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::OpenAi, Self::None];

    /// The name in configs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::None => "none",
        }
    }

    /// The endpoint that takes a conversation, for bodies that come without a path.
    pub fn chat(self) -> Endpoint {
        match self {
            Self::Anthropic => Endpoint::AnthropicMessages,
            Self::OpenAi => Endpoint::OpenAiChat,
            Self::None => Endpoint::Generic,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A protocol name that doesn't exist.
#[derive(Debug, thiserror::Error)]
#[error("unknown protocol {0:?}: use anthropic, openai or none")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name);
        found.ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

/// A kind of request body and of the response that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /v1/messages`
    AnthropicMessages,
    /// `POST /v1/messages/count_tokens`
    AnthropicCountTokens,
    /// `POST /v1/chat/completions`
    OpenAiChat,
    /// Any JSON: every string is text.
    Generic,
}

impl Endpoint {
    /// Its name in the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "anthropic_messages",
            Self::AnthropicCountTokens => "anthropic_count_tokens",
            Self::OpenAiChat => "openai_chat",
            Self::Generic => "generic",
        }
    }

    /// Where the text of this endpoint's request body stands.
    pub fn schema(self) -> &'static schema::Schema {
        match self {
            Self::AnthropicMessages | Self::AnthropicCountTokens => &anthropic::SCHEMA,
            Self::OpenAiChat => &openai::SCHEMA,
            Self::Generic => &schema::GENERIC,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse::<Protocol>().unwrap(), protocol);
        }
        let error = "gemini".parse::<Protocol>().unwrap_err().to_string();
        assert!(
            Protocol::ALL
                .iter()
                .all(|protocol| error.contains(protocol.name())),
            "{error}"
        );
    }
}
