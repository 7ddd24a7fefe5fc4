//! Google's Vertex AI: Gemini's API below projects, and other makers' models in their own words.

use super::{
    anthropic, gemini, grpc, openai,
    route::{Mount, Route::Body, Row},
};

pub(super) const MOUNTS: &[Mount] = &[
    (
        "/v1|v1beta1/projects/{}/locations/{}/publishers/anthropic/models",
        CLAUDE,
    ),
    (
        "/v1|v1beta1/projects/{}/locations/{}/publishers/mistralai|meta|deepseek-ai|qwen|openai/models",
        COMPLETIONS,
    ),
    (
        "/v1|v1beta1/projects/{}/locations/{}/publishers/{}/models",
        gemini::MODELS,
    ),
    (
        "/v1|v1beta1/projects/{}/locations/{}/models|endpoints",
        gemini::MODELS,
    ),
    (
        "/v1|v1beta1/projects/{}/locations/{}/endpoints/{}",
        openai::ROUTES,
    ),
    ("/v1|v1beta1/projects/{}/locations/{}", gemini::ROUTES),
    // A project that the key says.
    ("/v1|v1beta1/publishers/{}/models", gemini::MODELS),
    grpc::VERTEX_MOUNT,
];

/// The model is in the path, everything else as Anthropic has it.
const CLAUDE: &[Row] = &[
    (&["POST"], "/{}:rawPredict", Body(&anthropic::MESSAGES)),
    (
        &["POST"],
        "/{}:streamRawPredict",
        Body(&anthropic::MESSAGES),
    ),
];

/// The same of models that are asked as OpenAI's.
const COMPLETIONS: &[Row] = &[
    (&["POST"], "/{}:rawPredict", Body(&openai::CHAT)),
    (&["POST"], "/{}:streamRawPredict", Body(&openai::CHAT)),
];
