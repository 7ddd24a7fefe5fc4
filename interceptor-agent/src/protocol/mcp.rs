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

/// Types of content. What a person filled in is an object by the name of `content`, too, and has none of them.
const BLOCKS: &[&str] = &[
    "text",
    "image",
    "audio",
    "resource",
    "resource_link",
    "tool_use",
    "tool_result",
];

/// A JSON-RPC message and those that answer it.
pub static MESSAGE: Endpoint = Endpoint {
    name: "mcp_message",
    request: &Schema {
        placed: &[
            ("params", Place::Top),
            ("result", Place::Top),
            ("_meta", Place::Below("params")),
            ("_meta", Place::Below("result")),
            ("content", Place::Blocks(BLOCKS)),
            ("resource", Place::Below("content")),
        ],
        opaque: &[
            opaque("id", Looks::Number, Place::Top),
            opaque("progressToken", Looks::Number, Place::Below("params")),
            opaque("progressToken", Looks::Number, Place::Below("_meta")),
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
