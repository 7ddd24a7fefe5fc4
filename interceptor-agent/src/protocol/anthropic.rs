//! Anthropic: Messages and token counting.

pub mod stream;

use super::{
    Endpoint,
    route::{Route, Row},
    schema::{Looks, Place, Schema, opaque},
};

pub(super) const ROUTES: &[Row] = &[
    (
        &["POST"],
        "/v1/messages",
        Route::Body(Endpoint::AnthropicMessages),
    ),
    (
        &["POST"],
        "/v1/messages/count_tokens",
        Route::Body(Endpoint::AnthropicCountTokens),
    ),
    (&["POST"], "/v1/files", Route::Body(Endpoint::Generic)),
    (&["GET"], "/v1/models", Route::NoBody),
    (&["GET"], "/v1/models/{}", Route::NoBody),
    (&["GET", "HEAD"], "/api/hello", Route::NoBody),
    (&["GET", "POST"], "/api/claude_code/*", Route::SidePath),
    (&["GET", "POST"], "/api/eval/*", Route::SidePath),
    (&["GET", "POST"], "/api/event_logging/*", Route::SidePath),
];

/// Request bodies. `thinking` is signed, and the API refuses a body in which it changed.
pub const SCHEMA: Schema = Schema {
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
    ],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("encrypted_content", Looks::Base64, Place::Anywhere),
        opaque("encrypted_index", Looks::Base64, Place::Anywhere),
        opaque("thinking", Looks::Any, Place::Type("thinking")),
        opaque("signature", Looks::Any, Place::Type("thinking")),
        opaque("data", Looks::Any, Place::Type("redacted_thinking")),
        opaque("data", Looks::Base64, Place::BinaryMedia),
    ],
    json_text: &[],
};
