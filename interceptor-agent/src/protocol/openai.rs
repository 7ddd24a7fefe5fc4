//! OpenAI and the hosts that copy its API: Chat Completions.

pub mod batch;
pub mod stream;

use super::{
    Endpoint,
    route::{Route, Row},
    schema::{Looks, Place, Schema, opaque},
};

pub(super) const ROUTES: &[Row] = &[
    (
        &["POST"],
        "/v1/chat/completions",
        Route::Body(Endpoint::OpenAiChat),
    ),
    (&["POST"], "/v1/files", Route::Body(Endpoint::Generic)),
    (
        &["POST"],
        "/v1/audio/transcriptions",
        Route::Body(Endpoint::Generic),
    ),
    (
        &["POST"],
        "/v1/audio/translations",
        Route::Body(Endpoint::Generic),
    ),
    (
        &["POST"],
        "/v1/images/edits",
        Route::Body(Endpoint::Generic),
    ),
    (
        &["POST"],
        "/v1/images/variations",
        Route::Body(Endpoint::Generic),
    ),
    (&["GET"], "/v1/models", Route::NoBody),
    (&["GET"], "/v1/models/{}", Route::NoBody),
    (&["GET"], "/v1/responses", Route::UpgradeRequired),
    // Codex: account, plugins and telemetry, on chatgpt.com and ab.chatgpt.com.
    (&["GET", "POST"], "/backend-api/wham/*", Route::SidePath),
    (&["GET", "POST"], "/backend-api/plugins/*", Route::SidePath),
    (
        &["GET", "POST"],
        "/backend-api/codex/analytics-events/*",
        Route::SidePath,
    ),
    (&["POST"], "/otlp/v1/*", Route::SidePath),
];

/// Request bodies of Chat Completions.
pub const SCHEMA: Schema = Schema {
    first: &["tools", "functions", "response_format"],
    turns: "messages",
    structure: &[
        "tools",
        "functions",
        "messages",
        "content",
        "tool_calls",
        "function",
        "function_call",
        "image_url",
        "input_audio",
        "file",
        "audio",
        "prediction",
    ],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("encrypted_content", Looks::Base64, Place::Anywhere),
        // Drawn at random, and one in fifty of its length reads as a payment card.
        opaque("seed", Looks::Number, Place::Anywhere),
        opaque("data", Looks::Base64, Place::Below("input_audio")),
    ],
    json_text: &["arguments"],
};
