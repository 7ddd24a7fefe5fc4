//! Cohere: chat, embeddings, reranking.

pub mod stream;
pub mod v1;

use super::{
    Endpoint, openai,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody, OptionalBody},
        Row,
    },
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

pub(super) const MOUNTS: &[Mount] = &[
    ("/v2", CHATS),
    ("/v1", CHATS_V1),
    ("/v1|v2", ROUTES),
    ("/compatibility/v1", openai::ROUTES),
];

/// Version 1 has another chat, and what version 2 has no more.
const CHATS: &[Row] = &[(&["POST"], "/chat", Body(&CHAT))];
const CHATS_V1: &[Row] = &[
    (&["POST"], "/chat", Body(&v1::CHAT)),
    (&["POST"], "/generate", Body(&v1::GENERATE)),
    (&["POST"], "/summarize|classify", Body(&v1::TEXT)),
];

const ROUTES: &[Row] = &[
    (&["POST"], "/embed", Body(&EMBED)),
    (&["POST"], "/rerank", Body(&RERANK)),
    (&["POST"], "/tokenize|detokenize", Body(&TOKENIZE)),
    (&["POST"], "/check-api-key", OptionalBody(&OBJECT)),
    (&["GET"], "/models", NoBody(&OBJECT)),
    (&["GET"], "/models/{}", NoBody(&OBJECT)),
];

/// `POST /v2/chat`
pub static CHAT: Endpoint = Endpoint {
    name: "cohere_chat",
    request: &MESSAGES,
    answer: &Answer {
        stream: Some(&stream::STREAM),
        ..WHOLE
    },
};

/// `POST /v2/embed`
pub static EMBED: Endpoint = Endpoint::whole("cohere_embed", &MESSAGES, &WHOLE);

/// `POST /v2/rerank`
pub static RERANK: Endpoint = Endpoint::whole("cohere_rerank", &MESSAGES, &WHOLE);

/// `POST /v1/tokenize`, `POST /v1/detokenize`
pub static TOKENIZE: Endpoint = Endpoint::whole("cohere_tokenize", &MESSAGES, &WHOLE);

/// Models, keys: what they are
pub static OBJECT: Endpoint = Endpoint::whole("cohere_object", &MESSAGES, &WHOLE);

const MESSAGES: Schema = Schema {
    first: &["tools", "documents", "response_format"],
    turns: "messages",
    structure: &["messages", "content", "tool_calls", "function", "image_url"],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("seed", Looks::Number, Place::Anywhere),
        opaque("url", Looks::Url, Place::Below("image_url")),
        // To embed.
        opaque("images", Looks::Url, Place::Top),
    ],
    json_text: &["arguments"],
    ..GENERIC
};

const WHOLE: Answer = Answer {
    free: &["arguments", "parameters", "document"],
    json_text: &["arguments"],
    ..response::PLAIN
};
