//! What providers keep of exchanges, endpoint by endpoint: data.

use super::Endpoint;

/// What outlives an exchange with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether the provider keeps what is sent, to give it back in other exchanges.
    pub keeps: Keeps,
    /// Keys by which a request's body names what is kept elsewhere, so that the answer may show it.
    pub shows: &'static [&'static str],
}

/// Whether a provider keeps what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// It does not.
    Never,
    /// Where the body bears one of these.
    If(&'static [Mark]),
    /// It does, or may.
    Always,
}

/// What in a request's body says that the provider keeps what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// This member is true.
    True(&'static str),
    /// This member is there, and not null.
    Member(&'static str),
    /// One of the `tools` has a type that begins so; what follows is a version.
    Tool(&'static str),
}

const NOTHING: State = State {
    keeps: Keeps::Never,
    shows: &[],
};

const KEPT: State = State {
    keeps: Keeps::Always,
    shows: &[],
};

const fn shows(shows: &'static [&'static str]) -> State {
    State { shows, ..NOTHING }
}

const GEMINI: &[&str] = &["cachedContent", "cached_content", "fileUri", "file_uri"];

/// Where a model of Anthropic leaves tokens outside of the conversation: in the files of a container, which other
/// conversations may name (it runs code by itself to filter what it searched or fetched, and at OpenRouter in a shell), and
/// with MCP servers.
const OUTSIDE: &[Mark] = &[
    Mark::Member("container"),
    Mark::Member("mcp_servers"),
    Mark::Tool("code_execution_"),
    Mark::Tool("web_search_"),
    Mark::Tool("web_fetch_"),
    Mark::Tool("openrouter:bash"),
    Mark::Tool("openrouter:shell"),
];

/// Every endpoint, by its name.
const ROWS: &[(&str, State)] = &[
    // Nothing is known about these: they may.
    ("generic", KEPT),
    ("mcp_message", KEPT),
    (
        "anthropic_messages",
        State {
            keeps: Keeps::If(OUTSIDE),
            shows: &["file_id"],
        },
    ),
    ("anthropic_count_tokens", NOTHING),
    ("anthropic_complete", NOTHING),
    ("anthropic_batches", KEPT),
    ("anthropic_results", KEPT),
    ("anthropic_object", KEPT),
    ("anthropic_content", KEPT),
    (
        "openai_chat",
        State {
            // xAI keeps the answer of a deferred one until it is asked for.
            keeps: Keeps::If(&[Mark::True("store"), Mark::True("deferred")]),
            shows: &["file_id", "agent_id"],
        },
    ),
    ("openai_responses", KEPT),
    (
        "openai_compact",
        shows(&["previous_response_id", "conversation", "file_id"]),
    ),
    ("openai_input_tokens", NOTHING),
    ("openai_items", KEPT),
    ("openai_object", KEPT),
    ("openai_jobs", KEPT),
    ("openai_content", KEPT),
    ("openai_upload_part", KEPT),
    ("openai_assistants", KEPT),
    ("openai_threads", KEPT),
    ("openai_runs", KEPT),
    // What is asked for is not kept, what is found was.
    ("openai_search", shows(&["query"])),
    ("openai_completions", NOTHING),
    ("openai_embeddings", NOTHING),
    ("openai_moderations", NOTHING),
    ("openai_images", NOTHING),
    ("openai_speech", NOTHING),
    ("openai_transcription", NOTHING),
    // A session ends with its connection.
    ("openai_realtime", NOTHING),
    ("gemini_generate", shows(GEMINI)),
    ("gemini_stream", shows(GEMINI)),
    ("gemini_count_tokens", NOTHING),
    ("gemini_embed", NOTHING),
    ("gemini_predict", NOTHING),
    ("gemini_batch", KEPT),
    ("gemini_cached", KEPT),
    ("gemini_object", KEPT),
    ("gemini_grpc", NOTHING),
    ("vertex_grpc", NOTHING),
    ("cohere_chat", NOTHING),
    // A conversation may be named, and goes on with what was said in it.
    ("cohere_v1_chat", KEPT),
    ("cohere_v1_generate", NOTHING),
    ("cohere_v1_text", NOTHING),
    ("cohere_embed", NOTHING),
    ("cohere_rerank", NOTHING),
    ("cohere_tokenize", NOTHING),
    ("cohere_object", KEPT),
    ("ollama_chat", NOTHING),
    ("ollama_generate", NOTHING),
    ("ollama_embed", NOTHING),
    ("ollama_object", NOTHING),
    ("bedrock_converse", NOTHING),
    ("bedrock_count_tokens", NOTHING),
    ("bedrock_invoke", NOTHING),
];

impl Endpoint {
    /// What outlives an exchange with it.
    pub fn state(&self) -> State {
        let row = ROWS.iter().find(|row| row.0 == self.name);
        // A test sees that each has a row.
        row.map_or(KEPT, |row| row.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_one_row_and_every_row_an_endpoint() {
        let mut rows: Vec<_> = ROWS.iter().map(|row| row.0).collect();
        rows.sort_unstable();
        let mut endpoints: Vec<_> = Endpoint::all().iter().map(|known| known.name).collect();
        endpoints.sort_unstable();
        assert_eq!(rows, endpoints);
    }
}
