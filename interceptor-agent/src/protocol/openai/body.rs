//! Where the text of OpenAI's request bodies stands.

use crate::protocol::schema::{GENERIC, Looks, Opaque, Place, Schema, opaque};

/// Chat Completions.
pub(in crate::protocol) const CHAT: Schema = Schema {
    first: &["tools", "functions", "response_format"],
    turns: "messages",
    ..PLAIN
};

/// Responses; `input` may be one text, too.
pub(super) const RESPONSES: Schema = Schema {
    first: &["instructions", "tools", "text", "prompt"],
    turns: "input",
    ..PLAIN
};

/// Conversations and their items.
pub(super) const ITEMS: Schema = Schema {
    turns: "items",
    ..PLAIN
};

/// Assistants, threads and runs.
pub(super) const THREADS: Schema = Schema {
    first: &["instructions", "additional_instructions", "tools", "thread"],
    turns: "messages",
    ..PLAIN
};

/// Without a conversation.
pub(in crate::protocol) const PLAIN: Schema = Schema {
    first: &[],
    turns: "",
    structure: STRUCTURE,
    opaque: OPAQUE,
    json_text: &["arguments"],
    ..GENERIC
};

/// Text completions.
pub(super) const COMPLETIONS: Schema = Schema {
    token_ids: &["prompt"],
    ..PLAIN
};

/// Embeddings.
pub(super) const EMBEDDINGS: Schema = Schema {
    token_ids: &["input"],
    ..PLAIN
};

const STRUCTURE: &[&str] = &[
    "tools",
    "functions",
    "messages",
    "content",
    "tool_calls",
    "function",
    "function_call",
    "image_url",
    "video_url",
    "input_audio",
    "file",
    "audio",
    "prediction",
    // Responses and conversations.
    "input",
    "items",
    "output",
    "summary",
    "action",
    "operation",
    "outputs",
    // Assistants.
    "thread",
    "additional_messages",
    "tool_outputs",
    // Other makers' models behind this API.
    "reasoning_details",
    "extra_content",
    "google",
];

const OPAQUE: &[Opaque] = &[
    opaque("type", Looks::Name, Place::Anywhere),
    opaque("role", Looks::Name, Place::Anywhere),
    opaque("status", Looks::Name, Place::Anywhere),
    opaque("encrypted_content", Looks::Base64, Place::Anywhere),
    opaque("thought_signature", Looks::Base64, Place::Anywhere),
    // Drawn at random, and one in fifty of its length reads as a payment card.
    opaque("seed", Looks::Number, Place::Anywhere),
    opaque("data", Looks::Base64, Place::Below("input_audio")),
    opaque("result", Looks::File, Place::Type("image_generation_call")),
    opaque("url", Looks::Url, Place::Below("image_url")),
    opaque("image_url", Looks::Url, Place::Anywhere),
    // Mistral's and OpenRouter's.
    opaque("document_url", Looks::Url, Place::Anywhere),
    opaque("url", Looks::Url, Place::Below("video_url")),
    opaque("file_data", Looks::File, Place::Below("file")),
    opaque("file_data", Looks::File, Place::Type("input_file")),
    // Signed or sealed by whoever thought it.
    opaque("text", Looks::Any, Place::Below("reasoning_details")),
    opaque("summary", Looks::Any, Place::Below("reasoning_details")),
    opaque("signature", Looks::Any, Place::Below("reasoning_details")),
    opaque("data", Looks::Any, Place::Below("reasoning_details")),
];
