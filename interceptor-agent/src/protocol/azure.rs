//! Azure: OpenAI's API by deployment, or as OpenAI has it. Its content filter speaks in frames of its own, without text.

use super::{openai, route::Mount};

pub(super) const MOUNTS: &[Mount] = &[
    ("/openai/deployments/{}", openai::ROUTES),
    ("/openai/v1", openai::ROUTES),
    ("/openai", openai::ROUTES),
    ("/openai/v1", openai::jobs::ROUTES),
    ("/openai", openai::jobs::ROUTES),
];
