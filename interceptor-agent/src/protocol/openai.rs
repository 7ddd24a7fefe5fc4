//! OpenAI and the hosts that copy its API.

mod body;
pub mod chat;
pub mod files;
pub(in crate::protocol) mod jobs;
pub mod realtime;
pub mod responses;
pub mod threads;

use super::{
    Endpoint, anthropic,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody, OptionalBody, SidePath, UpgradeRequired, WebSocket},
        Row,
    },
};

/// Some hosts leave `/v1` out; some speak Anthropic's API beside OpenAI's.
pub(super) const MOUNTS: &[Mount] = &[
    ("/v1", ROUTES),
    ("", ROUTES),
    ("/beta", ROUTES),
    ("/v1", jobs::ROUTES),
    ("/v1", OTHERS),
    ("", OTHERS),
    ("/v1", anthropic::ROUTES),
    ("/anthropic/v1", anthropic::ROUTES),
    ("", AGENT),
];

/// Below `/v1`, or wherever else a host has them.
pub(super) const ROUTES: &[Row] = &[
    (&["POST"], "/chat/completions", Body(&CHAT)),
    (&["GET"], "/chat/completions", NoBody(&CHAT)),
    (&["GET", "DELETE"], "/chat/completions/{}", NoBody(&CHAT)),
    (&["POST"], "/chat/completions/{}", Body(&OBJECT)),
    (&["GET"], "/chat/completions/{}/messages", NoBody(&CHAT)),
    (&["POST"], "/completions", Body(&COMPLETIONS)),
    (&["POST"], "/responses", Body(&RESPONSES)),
    (&["GET"], "/responses", UpgradeRequired),
    (&["POST"], "/responses/compact", Body(&COMPACT)),
    (&["POST"], "/responses/input_tokens", Body(&INPUT_TOKENS)),
    (&["GET", "DELETE"], "/responses/{}", NoBody(&RESPONSES)),
    (&["POST"], "/responses/{}/cancel", OptionalBody(&RESPONSES)),
    (&["GET"], "/responses/{}/input_items", NoBody(&ITEMS)),
    (&["POST"], "/conversations", Body(&ITEMS)),
    (&["GET", "DELETE"], "/conversations/{}", NoBody(&OBJECT)),
    (&["POST"], "/conversations/{}", Body(&OBJECT)),
    (&["POST"], "/conversations/{}/items", Body(&ITEMS)),
    (&["GET"], "/conversations/{}/items", NoBody(&ITEMS)),
    (
        &["GET", "DELETE"],
        "/conversations/{}/items/{}",
        NoBody(&ITEMS),
    ),
    (&["POST"], "/embeddings", Body(&EMBEDDINGS)),
    (&["POST"], "/moderations", Body(&MODERATIONS)),
    (&["POST"], "/images/generations", Body(&IMAGES)),
    (&["POST"], "/images/edits|variations", Body(&IMAGES)),
    (&["POST"], "/audio/speech", Body(&SPEECH)),
    (
        &["POST"],
        "/audio/transcriptions|translations",
        Body(&files::TRANSCRIPTION),
    ),
    (&["GET"], "/realtime", WebSocket(&realtime::REALTIME)),
    (&["POST"], "/batches", Body(&OBJECT)),
    (&["GET"], "/batches", NoBody(&OBJECT)),
    (&["GET"], "/batches/{}", NoBody(&OBJECT)),
    (&["POST"], "/batches/{}/cancel", OptionalBody(&OBJECT)),
    (&["POST"], "/files", Body(&OBJECT)),
    (&["GET"], "/files", NoBody(&OBJECT)),
    (&["GET", "DELETE"], "/files/{}", NoBody(&OBJECT)),
    (&["GET"], "/files/{}/content", NoBody(&CONTENT)),
    (&["POST"], "/uploads", Body(&OBJECT)),
    (
        &["POST"],
        "/uploads/{}/cancel|complete",
        OptionalBody(&OBJECT),
    ),
    (&["POST"], "/uploads/{}/parts", Body(&files::PIECE)),
    (
        &["GET"],
        "/assistants|threads|vector_stores",
        NoBody(&OBJECT),
    ),
    (&["POST"], "/assistants", Body(&ASSISTANTS)),
    (&["POST"], "/assistants/{}", Body(&ASSISTANTS)),
    (
        &["GET", "DELETE"],
        "/assistants|threads|vector_stores/{}",
        NoBody(&OBJECT),
    ),
    (&["POST"], "/threads", Body(&THREADS)),
    (&["POST"], "/threads/runs", Body(&RUNS)),
    (&["POST"], "/threads/{}", Body(&OBJECT)),
    (&["POST"], "/threads/{}/messages", Body(&THREADS)),
    (&["GET"], "/threads/{}/messages", NoBody(&THREADS)),
    (&["POST"], "/threads/{}/messages/{}", Body(&THREADS)),
    (
        &["GET", "DELETE"],
        "/threads/{}/messages/{}",
        NoBody(&THREADS),
    ),
    (&["POST"], "/threads/{}/runs", Body(&RUNS)),
    (&["GET"], "/threads/{}/runs", NoBody(&RUNS)),
    (&["POST"], "/threads/{}/runs/{}", Body(&RUNS)),
    (&["GET"], "/threads/{}/runs/{}", NoBody(&RUNS)),
    (
        &["POST"],
        "/threads/{}/runs/{}/cancel|submit_tool_outputs",
        OptionalBody(&RUNS),
    ),
    (&["GET"], "/threads/{}/runs/{}/steps", NoBody(&RUNS)),
    (&["GET"], "/threads/{}/runs/{}/steps/{}", NoBody(&RUNS)),
    (&["POST"], "/vector_stores", Body(&OBJECT)),
    (&["POST"], "/vector_stores/{}", Body(&OBJECT)),
    (&["POST"], "/vector_stores/{}/search", Body(&SEARCH)),
    (
        &["POST"],
        "/vector_stores/{}/files|file_batches",
        Body(&OBJECT),
    ),
    (&["GET"], "/vector_stores/{}/files", NoBody(&OBJECT)),
    (
        &["GET", "DELETE"],
        "/vector_stores/{}/files|file_batches/{}",
        NoBody(&OBJECT),
    ),
    (&["POST"], "/vector_stores/{}/files/{}", Body(&OBJECT)),
    (
        &["GET"],
        "/vector_stores/{}/files/{}/content",
        NoBody(&SEARCH),
    ),
    (
        &["POST"],
        "/vector_stores/{}/file_batches/{}/cancel",
        OptionalBody(&OBJECT),
    ),
    (
        &["GET"],
        "/vector_stores/{}/file_batches/{}/files",
        NoBody(&OBJECT),
    ),
    (&["GET"], "/models", NoBody(&OBJECT)),
    (&["GET", "DELETE"], "/models/{}", NoBody(&OBJECT)),
];

/// What Mistral, xAI, DeepSeek and OpenRouter have beside it.
const OTHERS: &[Row] = &[
    (&["POST"], "/fim/completions", Body(&COMPLETIONS)),
    (&["POST"], "/agents/completions", Body(&CHAT)),
    (&["POST"], "/chat/moderations", Body(&MODERATIONS)),
    (&["POST"], "/classifications", Body(&MODERATIONS)),
    (&["GET"], "/chat/deferred-completion/{}", NoBody(&CHAT)),
    (&["POST"], "/tokenize-text", Body(&EMBEDDINGS)),
    (
        &["GET"],
        "/api-key|key|credits|generation|language-models|embedding-models|image-generation-models",
        NoBody(&OBJECT),
    ),
    (&["GET"], "/auth/key", NoBody(&OBJECT)),
    (&["GET"], "/user/balance", NoBody(&OBJECT)),
    (&["GET"], "/models/{}/{}/endpoints", NoBody(&OBJECT)),
];

/// Codex: account, plugins and telemetry, on chatgpt.com and ab.chatgpt.com.
const AGENT: &[Row] = &[
    (&["GET", "POST"], "/backend-api/wham/*", SidePath),
    (&["GET", "POST"], "/backend-api/plugins/*", SidePath),
    (
        &["GET", "POST"],
        "/backend-api/codex/analytics-events/*",
        SidePath,
    ),
    (&["POST"], "/otlp/v1/*", SidePath),
];

/// `POST /v1/chat/completions`
pub static CHAT: Endpoint = Endpoint {
    name: "openai_chat",
    request: &body::CHAT,
    answer: &COMPLETION,
};

/// `POST /v1/completions`, Mistral's and DeepSeek's FIM
pub static COMPLETIONS: Endpoint = Endpoint {
    name: "openai_completions",
    request: &body::COMPLETIONS,
    answer: &COMPLETION,
};

/// `POST /v1/responses`
pub static RESPONSES: Endpoint = Endpoint {
    name: "openai_responses",
    request: &body::RESPONSES,
    answer: &Answer {
        stream: Some(&responses::STREAM),
        ..WHOLE
    },
};

/// `POST /v1/responses/compact`
pub static COMPACT: Endpoint = Endpoint {
    name: "openai_compact",
    request: &body::RESPONSES,
    answer: &WHOLE,
};

/// `POST /v1/responses/input_tokens`
pub static INPUT_TOKENS: Endpoint = Endpoint {
    name: "openai_input_tokens",
    request: &body::RESPONSES,
    answer: &WHOLE,
};

/// Conversations and their items
pub static ITEMS: Endpoint = Endpoint {
    name: "openai_items",
    request: &body::ITEMS,
    answer: &WHOLE,
};

/// `POST /v1/embeddings`
pub static EMBEDDINGS: Endpoint = Endpoint::whole("openai_embeddings", &body::EMBEDDINGS, &WHOLE);

/// `POST /v1/moderations`
pub static MODERATIONS: Endpoint = plain("openai_moderations");

/// `POST /v1/images/generations`
pub static IMAGES: Endpoint = plain("openai_images");

/// `POST /v1/audio/speech`
pub static SPEECH: Endpoint = plain("openai_speech");

/// `POST /v1/vector_stores/{}/search`
pub static SEARCH: Endpoint = plain("openai_search");

/// Batches, files, vector stores, metadata: what they are, not what they hold
pub static OBJECT: Endpoint = plain("openai_object");

/// A file's own bytes: nothing is known about them.
pub static CONTENT: Endpoint = Endpoint::whole("openai_content", &body::PLAIN, &response::FILE);

/// Assistants
pub static ASSISTANTS: Endpoint = Endpoint {
    name: "openai_assistants",
    request: &body::THREADS,
    answer: &WHOLE,
};

/// Threads and their messages
pub static THREADS: Endpoint = Endpoint {
    name: "openai_threads",
    request: &body::THREADS,
    answer: &WHOLE,
};

/// Runs of assistants on threads
pub static RUNS: Endpoint = Endpoint {
    name: "openai_runs",
    request: &body::THREADS,
    answer: &Answer {
        stream: Some(&threads::STREAM),
        ..WHOLE
    },
};

const fn plain(name: &'static str) -> Endpoint {
    Endpoint {
        name,
        request: &body::PLAIN,
        answer: &WHOLE,
    }
}

/// Answers whose choices may come in chunks.
pub(super) const COMPLETION: Answer = Answer {
    stream: Some(&chat::STREAM),
    ..WHOLE
};

/// Reasoning that hosts sign, seal or encrypt comes back as it was; the media are none of ours.
const WHOLE: Answer = Answer {
    opaque: &[
        "encrypted_content",
        "thought_signature",
        "reasoning_details",
        "b64_json",
        "partial_image_b64",
        "obfuscation",
    ],
    free: &["input", "arguments", "metadata", "variables"],
    json_text: &["arguments"],
    ..response::PLAIN
};
