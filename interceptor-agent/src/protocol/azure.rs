//! Azure: OpenAI's API by deployment, or as OpenAI has it, and in Foundry Anthropic's and its own of every maker's models. Its
//! content filter speaks in frames of its own, without text.

use super::{
    anthropic, openai,
    route::{
        Mount,
        Route::{Body, NoBody},
        Row,
    },
};

pub(super) const MOUNTS: &[Mount] = &[
    ("/openai/deployments/{}", openai::ROUTES),
    ("/openai/v1", openai::ROUTES),
    ("/openai", openai::ROUTES),
    ("/openai/v1", openai::jobs::ROUTES),
    ("/openai", openai::jobs::ROUTES),
    ("/anthropic/v1", anthropic::ROUTES),
    ("/models", INFERENCE),
];

/// Foundry's model inference (`api-version` in the query), shaped as OpenAI's.
const INFERENCE: &[Row] = &[
    (&["POST"], "/chat/completions", Body(&openai::CHAT)),
    (&["POST"], "/embeddings", Body(&openai::EMBEDDINGS)),
    (&["POST"], "/images/embeddings", Body(&openai::EMBEDDINGS)),
    (&["GET"], "/info", NoBody(&openai::OBJECT)),
];
