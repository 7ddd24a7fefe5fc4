//! Google's Gemini API: contents of parts, as proto JSON, in camel or snake case.

pub mod stream;

use super::{
    Endpoint, grpc, openai,
    response::{self, Answer},
    route::{
        Mount,
        Route::{Body, NoBody, OptionalBody},
        Row,
    },
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

pub(super) const MOUNTS: &[Mount] = &[
    ("/v1|v1alpha|v1beta/models|tunedModels", MODELS),
    ("/v1|v1alpha|v1beta", ROUTES),
    ("/v1beta/openai", openai::ROUTES),
    grpc::GEMINI_MOUNT,
];

/// Below wherever models stand.
pub(super) const MODELS: &[Row] = &[
    (&["POST"], "/{}:generateContent", Body(&GENERATE)),
    (&["POST"], "/{}:streamGenerateContent", Body(&STREAM)),
    (&["POST"], "/{}:countTokens", Body(&COUNT_TOKENS)),
    (&["POST"], "/{}:computeTokens", Body(&COUNT_TOKENS)),
    (&["POST"], "/{}:embedContent", Body(&EMBED)),
    (&["POST"], "/{}:batchEmbedContents", Body(&EMBED)),
    (&["POST"], "/{}:asyncBatchEmbedContent", Body(&BATCH)),
    (&["POST"], "/{}:batchGenerateContent", Body(&BATCH)),
    (&["POST"], "/{}:predict", Body(&PREDICT)),
    (&["POST"], "/{}:predictLongRunning", Body(&PREDICT)),
    (&["POST"], "/{}:fetchPredictOperation", Body(&PREDICT)),
    (&["GET"], "/{}/operations/{}", NoBody(&OBJECT)),
    (&["GET"], "/{}", NoBody(&OBJECT)),
];

/// Beside the models.
pub(super) const ROUTES: &[Row] = &[
    (
        &["GET"],
        "/models|tunedModels|files|batches",
        NoBody(&OBJECT),
    ),
    (&["POST"], "/cachedContents", Body(&CACHED)),
    (&["GET"], "/cachedContents", NoBody(&CACHED)),
    (&["PATCH"], "/cachedContents/{}", Body(&CACHED)),
    (&["GET", "DELETE"], "/cachedContents/{}", NoBody(&CACHED)),
    (&["GET", "DELETE"], "/files|batches/{}", NoBody(&OBJECT)),
    (&["POST"], "/batches/{}:cancel", OptionalBody(&OBJECT)),
    (&["GET"], "/operations/{}", NoBody(&OBJECT)),
];

/// `:generateContent`
pub static GENERATE: Endpoint = Endpoint {
    name: "gemini_generate",
    request: &CONTENTS,
    answer: &CANDIDATES,
};

/// `:streamGenerateContent`: an array of what `:generateContent` answers, or events with `alt=sse`
pub static STREAM: Endpoint = Endpoint {
    name: "gemini_stream",
    request: &CONTENTS,
    answer: &Answer {
        array: true,
        ..CANDIDATES
    },
};

/// `:countTokens`
pub static COUNT_TOKENS: Endpoint = Endpoint::whole("gemini_count_tokens", &CONTENTS, &WHOLE);

/// `:embedContent`, `:batchEmbedContents`
pub static EMBED: Endpoint = Endpoint::whole("gemini_embed", &CONTENTS, &WHOLE);

/// `:batchGenerateContent`: requests that are answered later
pub static BATCH: Endpoint = Endpoint::whole("gemini_batch", &CONTENTS, &WHOLE);

/// `:predict`: models that make no text
pub static PREDICT: Endpoint = Endpoint::whole("gemini_predict", &ROWS, &WHOLE);

/// `/cachedContents`
pub static CACHED: Endpoint = Endpoint::whole("gemini_cached", &CONTENTS, &WHOLE);

/// Models, files, operations: what they are
pub static OBJECT: Endpoint = Endpoint::whole("gemini_object", &CONTENTS, &WHOLE);

const CONTENTS: Schema = Schema {
    first: &["systemInstruction", "system_instruction", "tools"],
    turns: "contents",
    structure: &[
        "systemInstruction",
        "system_instruction",
        "content",
        "contents",
        "parts",
        "inlineData",
        "inline_data",
        "functionResponse",
        "function_response",
        // Counted, embedded or answered in a batch.
        "generateContentRequest",
        "batch",
        "inputConfig",
        "input_config",
        "requests",
        "request",
    ],
    opaque: &[
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("thoughtSignature", Looks::Base64, Place::Anywhere),
        opaque("thought_signature", Looks::Base64, Place::Anywhere),
        opaque("data", Looks::File, Place::Below("inlineData")),
        opaque("data", Looks::File, Place::Below("inline_data")),
        opaque("bytesBase64Encoded", Looks::File, Place::Anywhere),
        opaque("data", Looks::Base64, Place::BinaryMedia),
        opaque("bytesBase64Encoded", Looks::Base64, Place::BinaryMedia),
    ],
    ..GENERIC
};

/// Whatever a model was made for; of its shape only media are known.
const ROWS: Schema = Schema {
    structure: &["image", "video"],
    placed: &[("instances", Place::Top)],
    rows: &["instances"],
    ..CONTENTS
};

const CANDIDATES: Answer = Answer {
    stream: Some(&stream::STREAM),
    ..WHOLE
};

const WHOLE: Answer = Answer {
    opaque: &[
        "thoughtSignature",
        "thought_signature",
        "modelVersion",
        "responseId",
        "finishReason",
        "bytesBase64Encoded",
    ],
    free: &["args", "metadata"],
    ..response::PLAIN
};
