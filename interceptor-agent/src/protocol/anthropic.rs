//! Anthropic: Messages and token counting.

pub mod stream;

use super::{
    Endpoint,
    route::{Route, Row},
    schema::{Opaque, Schema, When, always},
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
    (&["GET"], "/v1/models", Route::NoBody),
    (&["GET"], "/v1/models/{}", Route::NoBody),
    (&["GET", "HEAD"], "/api/hello", Route::NoBody),
    (&["GET", "POST"], "/api/claude_code/*", Route::SidePath),
    (&["GET", "POST"], "/api/eval/*", Route::SidePath),
    (&["GET", "POST"], "/api/event_logging/*", Route::SidePath),
];

/// Request bodies. `thinking` is signed, and the API refuses a body in which it changed.
pub const SCHEMA: Schema = Schema {
    first: &["system", "tools"],
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
        always("type"),
        always("role"),
        always("model"),
        always("id"),
        always("tool_use_id"),
        always("media_type"),
        always("encrypted_content"),
        always("encrypted_index"),
        Opaque {
            key: "thinking",
            when: When::Type("thinking"),
        },
        Opaque {
            key: "signature",
            when: When::Type("thinking"),
        },
        Opaque {
            key: "data",
            when: When::Type("redacted_thinking"),
        },
        Opaque {
            key: "data",
            when: When::Base64Media,
        },
    ],
    json_text: &[],
};
