//! The Model Context Protocol's streamable HTTP: JSON-RPC messages, one a body or one an event. Each is whole.

use super::{
    Endpoint,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody},
        Row,
    },
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

/// Servers choose their path; these are the ones that most have.
pub(super) const MOUNTS: &[Mount] = &[("", ROUTES), ("/{}", ROUTES)];

const ROUTES: &[Row] = &[
    (&["POST"], "/mcp", Body(&MESSAGE)),
    (&["GET", "DELETE"], "/mcp", NoBody(&MESSAGE)),
];

/// A JSON-RPC message and those that answer it.
pub static MESSAGE: Endpoint = Endpoint {
    name: "mcp_message",
    request: &Schema {
        first: &[],
        turns: "",
        structure: &["params", "result", "content", "resource", "_meta"],
        opaque: &[
            opaque("id", Looks::Number, Place::Anywhere),
            opaque("progressToken", Looks::Number, Place::Anywhere),
            opaque("type", Looks::Name, Place::Anywhere),
            opaque("role", Looks::Name, Place::Anywhere),
            opaque("data", Looks::File, Place::Type("image")),
            opaque("data", Looks::File, Place::Type("audio")),
            opaque("blob", Looks::File, Place::Below("resource")),
            opaque("data", Looks::Base64, Place::BinaryMedia),
            opaque("blob", Looks::Base64, Place::BinaryMedia),
        ],
        ..GENERIC
    },
    answer: &Answer {
        opaque: &[
            "jsonrpc",
            "method",
            "mimeType",
            "progressToken",
            "nextCursor",
        ],
        free: &["structuredContent", "arguments", "_meta", "data"],
        ..response::PLAIN
    },
};
