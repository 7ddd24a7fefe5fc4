//! Ollama: chat, completion, embeddings; answers are lines of JSON.

pub mod stream;

use super::{
    Endpoint, anthropic, openai,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody},
        Row,
    },
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

pub(super) const MOUNTS: &[Mount] = &[
    ("/api", ROUTES),
    ("/v1", openai::ROUTES),
    ("/v1", anthropic::ROUTES),
];

const ROUTES: &[Row] = &[
    (&["POST"], "/chat", Body(&CHAT)),
    (&["POST"], "/generate", Body(&GENERATE)),
    (&["POST"], "/embed|embeddings", Body(&EMBED)),
    (&["GET"], "/tags|ps|version", NoBody(&OBJECT)),
    (&["POST"], "/show|create|copy|pull|push", Body(&OBJECT)),
    (&["DELETE"], "/delete", Body(&OBJECT)),
];

/// `POST /api/chat`
pub static CHAT: Endpoint = Endpoint {
    name: "ollama_chat",
    request: &Schema {
        first: &["tools", "format"],
        turns: "messages",
        ..PLAIN
    },
    answer: &STREAMED,
};

/// `POST /api/generate`
pub static GENERATE: Endpoint = Endpoint {
    name: "ollama_generate",
    request: &Schema {
        first: &["system", "template", "format"],
        ..PLAIN
    },
    answer: &STREAMED,
};

/// `POST /api/embed`
pub static EMBED: Endpoint = Endpoint {
    name: "ollama_embed",
    request: &PLAIN,
    answer: &WHOLE,
};

/// Models, and the progress of getting one
pub static OBJECT: Endpoint = Endpoint {
    name: "ollama_object",
    request: &PLAIN,
    answer: &WHOLE,
};

const PLAIN: Schema = Schema {
    first: &[],
    turns: "",
    structure: &["messages", "tool_calls", "function"],
    opaque: &[
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("images", Looks::File, Place::Anywhere),
    ],
    ..GENERIC
};

const STREAMED: Answer = Answer {
    stream: Some(&stream::STREAM),
    ..WHOLE
};

const WHOLE: Answer = Answer {
    opaque: &["context", "created_at", "done_reason", "images"],
    free: &["arguments"],
    ..response::PLAIN
};
