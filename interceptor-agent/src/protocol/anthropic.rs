//! Anthropic: messages, token counting, message batches, text completions; what can be read of files and models.

pub mod stream;

use super::{
    Endpoint,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody, OptionalBody, SidePath},
        Row,
    },
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

pub(super) const MOUNTS: &[Mount] = &[("/v1", ROUTES), ("/api", AGENT)];

/// Below `/v1`; other makers' hosts have copies of these.
pub(super) const ROUTES: &[Row] = &[
    (&["POST"], "/messages", Body(&MESSAGES)),
    (&["POST"], "/messages/count_tokens", Body(&COUNT_TOKENS)),
    (&["POST"], "/messages/batches", Body(&BATCHES)),
    (&["GET"], "/messages/batches", NoBody(&OBJECT)),
    (&["GET", "DELETE"], "/messages/batches/{}", NoBody(&OBJECT)),
    (
        &["POST"],
        "/messages/batches/{}/cancel",
        OptionalBody(&OBJECT),
    ),
    (&["GET"], "/messages/batches/{}/results", NoBody(&RESULTS)),
    (&["POST"], "/complete", Body(&COMPLETE)),
    (&["POST"], "/files", Body(&OBJECT)),
    (&["GET"], "/files", NoBody(&OBJECT)),
    (&["GET", "DELETE"], "/files/{}", NoBody(&OBJECT)),
    (&["GET"], "/files/{}/content", NoBody(&CONTENT)),
    (&["GET"], "/models", NoBody(&OBJECT)),
    (&["GET"], "/models/{}", NoBody(&OBJECT)),
];

/// Claude Code: reachability, account, telemetry.
const AGENT: &[Row] = &[
    (&["GET", "HEAD"], "/hello", NoBody(&OBJECT)),
    (&["GET", "POST"], "/claude_code/*", SidePath),
    (&["GET", "POST"], "/eval/*", SidePath),
    (&["GET", "POST"], "/event_logging/*", SidePath),
];

/// `POST /v1/messages`
pub static MESSAGES: Endpoint = Endpoint {
    name: "anthropic_messages",
    request: &CONVERSATION,
    answer: &MESSAGE,
};

/// `POST /v1/messages/count_tokens`
pub static COUNT_TOKENS: Endpoint = Endpoint {
    name: "anthropic_count_tokens",
    answer: &WHOLE,
    ..MESSAGES
};

/// `POST /v1/messages/batches`
pub static BATCHES: Endpoint = Endpoint {
    name: "anthropic_batches",
    request: &Schema {
        first: &[],
        turns: "requests",
        ..CONVERSATION
    },
    answer: &WHOLE,
};

/// What came of a batch: lines of JSON, by whatever content type.
pub static RESULTS: Endpoint = Endpoint {
    name: "anthropic_results",
    answer: &Answer {
        file: true,
        ..WHOLE
    },
    ..MESSAGES
};

/// `POST /v1/complete`
pub static COMPLETE: Endpoint = Endpoint {
    name: "anthropic_complete",
    ..MESSAGES
};

/// Files, models, a batch: what they are, not what they hold.
pub static OBJECT: Endpoint = Endpoint {
    name: "anthropic_object",
    answer: &WHOLE,
    ..MESSAGES
};

/// A file's own bytes: nothing is known about them.
pub static CONTENT: Endpoint = Endpoint {
    name: "anthropic_content",
    answer: &response::FILE,
    ..MESSAGES
};

/// Request bodies. `thinking` is signed, and the API refuses a body in which it changed.
const CONVERSATION: Schema = Schema {
    first: &["system", "tools", "output_format", "output_config"],
    turns: "messages",
    structure: &[
        "system",
        "tools",
        "messages",
        "content",
        "source",
        "cache_control",
        "citations",
        "requests",
        "params",
    ],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("encrypted_content", Looks::Base64, Place::Anywhere),
        opaque("encrypted_index", Looks::Base64, Place::Anywhere),
        opaque("thinking", Looks::Any, Place::Type("thinking")),
        opaque("signature", Looks::Any, Place::Type("thinking")),
        opaque("data", Looks::Any, Place::Type("redacted_thinking")),
        opaque("data", Looks::File, Place::Type("base64")),
        opaque("data", Looks::Base64, Place::BinaryMedia),
    ],
    ..GENERIC
};

/// A message, whole or as a stream.
const MESSAGE: Answer = Answer {
    stream: Some(&stream::STREAM),
    ..WHOLE
};

pub(super) const WHOLE: Answer = Answer {
    sealed: &[
        "thinking",
        "thinking_delta",
        "redacted_thinking",
        "signature_delta",
    ],
    opaque: &[
        "thinking",
        "signature",
        "encrypted_content",
        "encrypted_index",
    ],
    free: &["input"],
    ..response::PLAIN
};
